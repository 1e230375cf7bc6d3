import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { LocalServer } from '../../core/servers/local-server.ts';
import { bareSchema, foreignKey, shape, tables } from './bulk-data.ts';
import { findProgram, pgsluice, script, serverCpu, type Usage } from './processes.ts';
import type { Contender, Sample } from './rounds.ts';

/** Two servers, the database that is copied, and what a right copy looks like. */
export interface Field {
  readonly source: LocalServer;
  readonly target: LocalServer;
  readonly database: string;
  readonly expected: string;
  readonly workers: number;
}

let copies = 0;

/** One copy into an empty database: servers at rest before, the result checked after, neither counted. */
async function copyInto(field: Field, work: (target: string, name: string) => Promise<Sample>): Promise<Sample> {
  const name = `copy_${++copies}`;
  await field.target.query(`CREATE DATABASE ${name} TEMPLATE template0`);
  try {
    for (const server of [field.source, field.target]) await server.query('CHECKPOINT');
    const before = [field.source, field.target].map((server) => serverCpu(server.pid ?? 0));
    const sample = await work(field.target.url(name), name);
    const after = [field.source, field.target].map((server) => serverCpu(server.pid ?? 0));
    const found = await shape(field.target, name);
    if (found !== field.expected)
      throw new Error(`a copy is not like its source:\n${difference(field.expected, found)}`);
    return { ...sample, sourceCpu: minus(after[0], before[0]), targetCpu: minus(after[1], before[1]) };
  } finally {
    await field.target.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
  }
}

function minus(a: number | null | undefined, b: number | null | undefined): number | null {
  return typeof a === 'number' && typeof b === 'number' ? a - b : null;
}

function difference(expected: string, found: string): string {
  const there = new Set(found.split('\n'));
  const missing = expected.split('\n').filter((line) => !there.has(line));
  const wanted = new Set(expected.split('\n'));
  return [...missing.map((line) => `- ${line}`), ...[...there].filter((l) => !wanted.has(l)).map((l) => `+ ${l}`)]
    .slice(0, 10)
    .join('\n');
}

const sampleOf = ({ seconds, cpu, rss }: Usage): Sample => ({ seconds, cpu, rss });

/** `pgsluice run`, `snapshot` in its file where it is given; with `initial` the slot is made, too, the stream is met, and all is dropped again (not counted). */
export function ours(field: Field, name: string, mode: 'initial' | 'initial_only', snapshot = ''): Contender {
  const what =
    mode === 'initial' ? `pgsluice run --stop-at now${snapshot}` : 'pgsluice run, snapshot.mode initial_only';
  const run = () =>
    copyInto(field, async (target, copy) => {
      const folder = await mkdtemp(join(tmpdir(), 'pgsluice-bench-'));
      const file = join(folder, 'pipeline.yaml');
      await writeFile(
        file,
        `pipeline: bench_${copy}
source:
  plugin: postgres
  url: ${field.source.url(field.database)}
  snapshot: { mode: ${mode}, workers: ${field.workers}${snapshot} }
sinks:
  - plugin: postgres
    url: ${target}
`,
      );
      try {
        const used = await pgsluice([
          'run',
          file,
          '--log',
          'json',
          ...(mode === 'initial' ? ['--stop-at', 'now'] : []),
        ]);
        if (mode === 'initial') await pgsluice(['cleanup', file, '--yes']);
        const bytes = eventsOf(used.stdout, 'table-copied').reduce((sum, event) => sum + Number(event['bytes']), 0);
        return { ...sampleOf(used), bytes, ...phases(used.stdout) };
      } finally {
        await rm(folder, { recursive: true, force: true });
      }
    });
  return { name, what, run };
}

function eventsOf(log: string, name: string): readonly Readonly<Record<string, unknown>>[] {
  return log
    .split('\n')
    .filter((line) => line.startsWith('{') && line.includes(`"${name}"`))
    .map((line) => JSON.parse(line) as Record<string, unknown>)
    .filter((event) => event['event'] === name);
}

/** When the first byte was asked for, the last table copied and the last finished, seconds after the log's first line. */
function phases(log: string): Sample {
  const at = (event: Readonly<Record<string, unknown>> | undefined): number | null =>
    event === undefined ? null : Date.parse(String(event['time'])) / 1000;
  const first = at(
    JSON.parse(log.slice(log.indexOf('{'), log.indexOf('\n', log.indexOf('{')))) as Record<string, unknown>,
  );
  const since = (event: Readonly<Record<string, unknown>> | undefined) => minus(at(event), first);
  return {
    copyBegan: since(eventsOf(log, 'copy-started')[0]),
    copied: since(eventsOf(log, 'table-copied').at(-1)),
    finished: since(eventsOf(log, 'table-finished').at(-1)),
  };
}

/**
 * What can be had with two binary psql pipes at a time, biggest tables first, then the indexes two at a time (`data`: up to
 * there), then the foreign key and ANALYZE. Nothing is looked up, saved or checked.
 */
export function floor(field: Field, psql: string): Contender {
  const run = () =>
    copyInto(field, async (target) => {
      const source = field.source.url(field.database);
      const quiet = `${psql} -X -q -v ON_ERROR_STOP=1`;
      const two = (lines: readonly string[]) =>
        `xargs -P2 -d '\\n' -I% bash -o pipefail -c % <<'EOF'\n${lines.join('\n')}\nEOF`;
      const used = await script(
        [
          `${quiet} ${target} <<'EOF'\n${bareSchema}\nEOF`,
          two(
            tables.map(
              ({ name }) =>
                `${quiet} ${source} -c "COPY ${name} TO STDOUT (FORMAT binary)" | ${quiet} ${target} -c "COPY ${name} FROM STDIN (FORMAT binary)"`,
            ),
          ),
          'date +copied:%s.%N',
          two(tables.flatMap(({ after }) => after.map((sql) => `${quiet} ${target} -c "${sql}"`))),
          'date +data:%s.%N',
          `${quiet} ${target} -c "${foreignKey}"`,
          two(tables.map(({ name }) => `${quiet} ${target} -c "ANALYZE ${name}"`)),
          'date +end:%s.%N',
        ].join('\n'),
        { PGOPTIONS: '-c maintenance_work_mem=256MB -c synchronous_commit=off' },
      );
      const mark = (name: string) => Number(new RegExp(`^${name}:([\\d.]+)$`, 'm').exec(used.stdout)?.[1]);
      const toEnd = (name: string) => used.seconds - (mark('end') - mark(name));
      return { ...sampleOf(used), copied: toEnd('copied'), data: toEnd('data') };
    });
  return { name: 'floor', what: 'two binary psql pipes, indexes two at a time, foreign key, ANALYZE', run };
}

export function dumpRestore(field: Field, programs: { dump: string; restore: string }): Contender {
  const run = () =>
    copyInto(field, async (target, copy) => {
      // A parallel restore needs a file or a folder; a pipe restores one after the other.
      const folder = join(tmpdir(), `pgsluice-bench-dump-${copy}`);
      try {
        return sampleOf(
          await script(
            `${programs.dump} -Fd -j2 -Z0 -f ${folder} ${field.source.url(field.database)}
             ${programs.restore} -j2 -d ${target} ${folder}
             ${findProgram('psql') ?? 'psql'} -X -q ${target} -c ANALYZE`,
          ),
        );
      } finally {
        await rm(folder, { recursive: true, force: true });
      }
    });
  return { name: 'pg_dump | pg_restore -j2', what: 'pg_dump -Fd -Z0 -j2, pg_restore -j2, ANALYZE', run };
}

export function pgcopydb(field: Field, program: string): Contender {
  const run = () =>
    copyInto(field, async (target, copy) => {
      const folder = join(tmpdir(), `pgsluice-bench-pgcopydb-${copy}`);
      try {
        return sampleOf(
          await script(
            `${program} clone --dir ${folder} --table-jobs 4 --index-jobs 2 --source ${field.source.url(field.database)} --target ${target} >${folder}.log 2>&1 || { tail -5 ${folder}.log >&2; exit 1; }`,
          ),
        );
      } finally {
        for (const path of [folder, `${folder}.log`]) await rm(path, { recursive: true, force: true });
      }
    });
  return { name: 'pgcopydb', what: 'pgcopydb clone --table-jobs 4 --index-jobs 2', run };
}

export function dumpPipe(field: Field, programs: { dump: string; psql: string }): Contender {
  const run = () =>
    copyInto(field, async (target) =>
      sampleOf(
        await script(
          `${programs.dump} ${field.source.url(field.database)} | ${programs.psql} -X -q -v ON_ERROR_STOP=1 ${target} >/dev/null`,
          { PGOPTIONS: '-c synchronous_commit=off' },
        ),
      ),
    );
  return { name: 'pg_dump | psql', what: 'pg_dump | psql, synchronous_commit off', run };
}
