import assert from 'node:assert/strict';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { parse } from 'yaml';
import type { Relation } from '../../../../../core/postgres/relation.ts';
import type { Transform } from '../../../../../core/api/transform.ts';
import { loadParser } from '../../../../../core/expr/parse.ts';
import { planTables } from '../../../../../core/pipeline/plan/planner.ts';
import { publishedTables } from '../../../../../core/pipeline/plan/publication.ts';
import { printPlan } from '../../../../../core/pipeline/plan/print.ts';
import { columns } from '../../../../../plugins/transform-columns/plugin.ts';
import { filter } from '../../../../../plugins/transform-filter/plugin.ts';
import { mask } from '../../../../../plugins/transform-mask/plugin.ts';
import { rename } from '../../../../../plugins/transform-rename/plugin.ts';
import { script } from '../../../../../plugins/transform-script/plugin.ts';
import { set } from '../../../../../plugins/transform-set/plugin.ts';
import { kafkaTraits, messageOf, planInput, postgresTraits, relation, step } from '../../../../support/plan.ts';

/**
 * A folder is a test: input.yaml (tables, transforms, sink) and the plan.txt that it must give. With UPDATE_SAMPLES=1 the
 * files are written again, to be read before they are committed.
 */
const folder = new URL('./plan-samples/', import.meta.url).pathname;

interface Sample {
  readonly tables: Readonly<
    Record<string, string | { readonly columns: string; readonly identity: 'full' | 'nothing' }>
  >;
  readonly transforms?: readonly ({ readonly plugin: string; readonly tables?: string | readonly string[] } & object)[];
  readonly sink?: 'postgres' | 'kafka';
  readonly version?: number;
}

before(() => loadParser());

for (const name of await readdir(folder)) {
  test(`plan sample ${name}`, async () => {
    const sample = parse(await readFile(join(folder, name, 'input.yaml'), 'utf8')) as Sample;
    const text = planText(sample);
    const file = join(folder, name, 'plan.txt');
    if (process.env['UPDATE_SAMPLES'] === '1') await writeFile(file, text);
    assert.equal(text, await readFile(file, 'utf8'));
  });
}

function planText(sample: Sample): string {
  const tables = Object.entries(sample.tables).map(([name, given]) => tableOf(name, given));
  const steps = (sample.transforms ?? []).map(({ plugin, tables: patterns = null, ...options }, at) =>
    step(
      transformOf(plugin, options),
      typeof patterns === 'string' ? [patterns] : patterns,
      `transforms[${at}] ${plugin}`,
    ),
  );
  const traits = sample.sink === 'kafka' ? kafkaTraits : postgresTraits;
  const sourceVersion = (sample.version ?? 17) * 10_000;
  const { plans, problems } = planTables(planInput(tables, steps, { traits, sourceVersion }));
  const refused = problems.map(
    (error) => `${error.code} ${error.where.table ?? '-'}: ${messageOf(error)}\n  ${error.remedy}\n`,
  );
  return [printPlan(plans, publishedTables([plans], sourceVersion)), ...refused].filter(Boolean).join('\n');
}

function tableOf(name: string, given: Sample['tables'][string]): Relation {
  return typeof given === 'string' ? relation(name, given) : relation(name, given.columns, given.identity);
}

function transformOf(plugin: string, options: object): Transform {
  const make: Readonly<Record<string, (options: never) => Transform>> = {
    columns,
    filter,
    mask,
    rename,
    set,
    script: (own) => script((rows) => rows, own),
  };
  const found = make[plugin];
  assert.ok(found !== undefined, plugin);
  return found(options as never);
}
