import assert from 'node:assert/strict';
import { test } from 'node:test';
import { live } from '../support/live.ts';
import { short } from '../support/long.ts';
import { relatives } from '../support/row-identities.ts';
import { server } from '../support/servers.ts';

await Promise.all([14, 17, 18].map((major) => server(major)));

const indent = (name: string, keys: string) => `  - tables: public.${name}\n    ${keys}\n`;

for (const [from, to] of short(1, [
  [14, 18],
  [17, 17],
] as const)) {
  for (const role of ['superuser', 'owner']) {
    test(`rows are found by what identifies them: ${from} to ${to}, ${role} of the target`, async () => {
      const tried = relatives.filter(({ since }) => from >= (since ?? 0));
      const transforms = tried.flatMap(({ name, transform }) =>
        transform === undefined ? [] : [indent(name, transform)],
      );
      const pipeline = await live({
        from,
        to,
        source: tried.map(({ source }) => source).join('\n'),
        sinkKeys: '    schema: existing\n',
        yaml: `transforms:\n${transforms.join('')}`,
        owners: role === 'owner',
      });
      const made = tried.map(({ source, target }) => target ?? source.replace(/INSERT[^;]*;/g, ''));
      await pipeline.target.query(made.join(';\n'));
      await pipeline.settle();
      for (let i = 0; tried.some(({ work }) => i < work.length); i++) {
        for (const { work } of tried) if (work[i] !== undefined) await pipeline.source.query(work[i]!);
        // Some of the work meets in one batch, some comes in the next.
        if (i !== 1) await pipeline.settle();
      }
      await pipeline.settle();
      for (const { name, shows } of tried) {
        const all = `SELECT * FROM ${name}`;
        const wanted = await pipeline.rows('source', shows ?? all);
        assert.ok(wanted.length > 0, name);
        assert.deepEqual(await pipeline.rows('target', all), wanted, name);
      }
    });
  }
}
