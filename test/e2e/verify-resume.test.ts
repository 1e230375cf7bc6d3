import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import pg from 'pg';
import { cli, CliProcess } from '../support/cli.ts';
import { type Migration, migration } from '../support/migration.ts';
import { server } from '../support/servers.ts';

interface Verdict {
  readonly table: string;
  readonly at: { readonly position: string };
  readonly before: { readonly since: { readonly position: string }; readonly ranges: number | null } | null;
  readonly differed: { readonly position: string } | null;
  readonly comparison: {
    readonly equal: boolean;
    readonly sourceRows: string;
    readonly differences: readonly { readonly kind: string; readonly key: string }[];
  };
}
interface Report {
  readonly wentOn: { readonly tables: number; readonly ranges: number } | null;
  readonly tables: readonly Verdict[];
}

async function verify(file: string, ...more: string[]): Promise<{ code: number | null; report: Report }> {
  const { code, stdout, stderr } = await cli(['verify', file, '--json', ...more]);
  assert.notEqual(stdout, '', stderr);
  return { code, report: JSON.parse(stdout) as Report };
}

async function killed(file: string, at: string, ...more: string[]): Promise<void> {
  const verifying = new CliProcess(['verify', file, ...more], { PGSLUICE_FAILPOINT: `${at}:kill` });
  const { stderr } = await verifying.ended;
  assert.equal(verifying.process.signalCode, 'SIGKILL', stderr);
}

type Note = { readonly equal: boolean; readonly at: { readonly position: string } };
type Noted = ReadonlyMap<string, Note>;

/** Tables that have a note in the target's state. */
async function notedIn(target: Migration['target']): Promise<Noted> {
  const rows = await target.query<{ key: string; value: Note }>(
    `SELECT key, value FROM pgsluice.checkpoint WHERE key LIKE 'beside/verify:all/table/%'`,
  );
  return new Map(rows.map(({ key, value }) => [key.replace(/^.*\//, ''), value]));
}

const differing = ({ tables }: Report) =>
  tables
    .filter(({ comparison }) => !comparison.equal)
    .map(({ table }) => table)
    .sort();

const names = ['a', 'b', 'c', 'd', 'e', 'f'];

async function sixTables(more?: string): Promise<Migration> {
  const made = await migration({
    from: await server(15),
    to: await server(17),
    ...(more === undefined ? {} : { more }),
  });
  await made.source.query(
    names
      .map(
        (t) =>
          `CREATE TABLE ${t} (id int PRIMARY KEY, v text); INSERT INTO ${t} SELECT g, 'v' || g FROM generate_series(1, 100) g`,
      )
      .join('; '),
  );
  await made.run();
  return made;
}

/** While it is locked in the target, a verification cannot come to its end, however fast it is. */
async function locked(target: Migration['target'], table: string) {
  const client = new pg.Client(target.url);
  await client.connect();
  await client.query(`BEGIN; LOCK TABLE ${table} IN ACCESS EXCLUSIVE MODE`);
  return { [Symbol.asyncDispose]: () => client.end() };
}

const spoil = (table: string, id: number) => `UPDATE ${table} SET v = 'spoilt' WHERE id = ${id}`;

test('a verification that was killed goes on with the tables that were not compared, and says so', {
  timeout: 240_000,
}, async () => {
  const { target, file } = await sixTables();
  await target.query(spoil('b', 3));
  let noted: Noted;
  {
    await using _ = await locked(target, 'e');
    await killed(file, 'verify-agrees');
    await killed(file, 'verify-differs');
    noted = await notedIn(target);
    assert.equal(noted.get('public.b')?.equal, false);
  }
  const agreed = [...noted].filter(([, note]) => note.equal);
  const [table, note] = agreed[0]!;
  assert.ok(!noted.has('public.e'));
  // In one that was not compared yet, and in one that will not be looked at again.
  await target.query(`${spoil('e', 5)}; ${spoil(table, 7)}`);

  // A cutover looks at everything itself.
  const cut = await cli(['cutover', file, '--dry-run']);
  assert.equal(cut.code, 4, cut.stdout + cut.stderr);
  for (const name of ['public.b', 'public.e', table]) assert.match(cut.stdout, new RegExp(`DIFFERS {2}${name} `));
  assert.equal((await notedIn(target)).size, noted.size);

  const { code, report } = await verify(file);
  assert.equal(code, 4);
  assert.deepEqual(differing(report), ['public.b', 'public.e']);
  assert.deepEqual(report.wentOn && { ...report.wentOn, begun: null }, {
    begun: null,
    tables: agreed.length,
    ranges: 0,
  });
  const of = (name: string) => report.tables.find((verdict) => verdict.table === name)!;
  assert.deepEqual(of('public.b').comparison.differences, [{ kind: 'differs', key: '3' }]);
  assert.equal(of('public.b').differed?.position, noted.get('public.b')?.at.position);
  // What is claimed of a table that was not compared again: its position then, not the others' now.
  assert.deepEqual([of(table).at.position, of(table).comparison.equal], [note.at.position, true]);
  assert.equal(of(table).before?.since.position, note.at.position);
  assert.notEqual(of('public.e').at.position, note.at.position);
  assert.deepEqual([of('public.e').before, of('public.e').differed], [null, null]);

  // It came to its end: the next one compares everything.
  assert.equal((await notedIn(target)).size, 0);
  const next = await verify(file);
  assert.equal(next.report.wentOn, null);
  assert.deepEqual(differing(next.report), ['public.b', 'public.e', table].sort());
});

test('Ctrl-C is no "all agree"; --fresh, a resync and another choice of tables take nothing over', {
  timeout: 240_000,
}, async () => {
  const { target, file } = await sixTables();
  await using held = await locked(target, 'e');
  const verifying = new CliProcess(['verify', file]);
  while (!verifying.stderr.includes('table-verified')) {
    assert.equal(verifying.process.exitCode, null, verifying.stderr);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  await waitForNote(target);
  verifying.process.kill('SIGINT');
  const stopped = await verifying.ended;
  assert.deepEqual([stopped.code, stopped.stdout], [1, ''], stopped.stderr);
  assert.match(stopped.stderr, /interrupted: the same command goes on/);
  await held[Symbol.asyncDispose]();
  const noted = await notedIn(target);
  const [table] = noted.keys().toArray() as [string];
  await target.query(spoil(table, 7));

  const chosen = await verify(file, '--table', table);
  assert.deepEqual([chosen.code, chosen.report.wentOn, differing(chosen.report)], [4, null, [table]]);
  assert.equal((await notedIn(target)).size, noted.size, 'the notes of all tables are still there');
  // Copied again, it is another table than the one that was compared.
  assert.equal((await cli(['resync', file, table])).code, 0);
  await target.query(spoil(table, 8));
  const text = await cli(['verify', file]);
  assert.equal(text.code, 4, text.stdout);
  if (noted.size > 1)
    assert.match(text.stdout, /^went on from the verification that began [^]* and not compared again/);
  assert.match(text.stdout, new RegExp(`DIFFERS {2}${table} `));

  await killed(file, 'verify-agrees');
  await target.query(names.map((name) => spoil(name, 9)).join('; '));
  const fresh = await verify(file, '--fresh');
  assert.deepEqual([fresh.code, fresh.report.wentOn], [4, null]);
  assert.deepEqual(
    differing(fresh.report),
    names.map((name) => `public.${name}`),
  );
});

async function waitForNote(target: Migration['target']): Promise<void> {
  while ((await notedIn(target)).size === 0) await new Promise((resolve) => setTimeout(resolve, 20));
}

test('ranges of a table that agreed are not compared again, beside a run and with notes in a file', {
  timeout: 240_000,
}, async () => {
  const more = `checkpoint: { plugin: file, path: state.json }`;
  const { source, target, file, start } = await migration({ from: await server(14), to: await server(18), more });
  await source.query(`CREATE TABLE big (id bigint PRIMARY KEY, v text);
    INSERT INTO big SELECT g, 'v' || g FROM generate_series(1, 20000) g; ANALYZE big`);
  const running = start('--log', 'json');
  await running.until('snapshot-finished');
  // Found before the kill, and reported after it: its range is never one that agreed.
  await target.query(spoil('big', 19_999));
  const ranged = ['--range-rows', '2000', '--workers', '2'];
  await killed(file, 'verify-range', ...ranged);
  const notes = join(dirname(file), 'state.json.beside');
  const entries = Object.entries(
    (JSON.parse(readFileSync(notes, 'utf8')) as { entries: Record<string, unknown> }).entries,
  );
  const done = entries.find(([key]) => key.includes('/done/'))![1] as { equal: [number, number][] };
  const ranges = done.equal.reduce((sum, [first, last]) => sum + last - first + 1, 0);
  assert.ok(ranges >= 1 && ranges <= 10);
  // Ranges are of 2000 ids each.
  await target.query(spoil('big', done.equal[0]![0] * 2000 + 1));

  const { code, report } = await verify(file, ...ranged);
  const [verdict] = report.tables as [Verdict];
  assert.equal(code, 4);
  assert.deepEqual(verdict.comparison.differences, [{ kind: 'differs', key: '19999' }]);
  assert.deepEqual([verdict.before?.ranges, report.wentOn?.tables, report.wentOn?.ranges], [ranges, 0, ranges]);
  assert.equal(verdict.comparison.sourceRows, '20000');
  const next = await verify(file, ...ranged);
  assert.deepEqual([next.report.wentOn, next.report.tables[0]!.comparison.differences.length], [null, 2]);
  // The run's own state went on beside all that.
  running.process.kill('SIGTERM');
  assert.equal((await running.ended).code, 0);
  await killed(file, 'verify-range', ...ranged);
  assert.ok(existsSync(notes));
  assert.equal((await cli(['cleanup', file, '--yes'])).code, 0);
  assert.ok(!existsSync(notes));
});
