import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import pg from 'pg';
import { readColumns } from '../../core/postgres/columns.ts';
import { onlyLong, short } from '../support/long.ts';
import { eventsOf, type Migration, migration } from '../support/migration.ts';
import { database, type TestDatabase, type TestServer, server } from '../support/servers.ts';
import { type TypeValues, literal, typesOf, typesSetup } from '../support/types-values.ts';

/**
 * Every type with its extremes, copied and then followed: a table per type with a key beside the value, one with the value
 * as its key where it can be one, and one wide table that is found by all its columns. `::text` is equal on both sides.
 */
const servers = new Map<number, TestServer>();
for (const major of [14, 15, 17, 18]) servers.set(major, await server(major));

for (const [from, to] of short(1, [
  [14, 18],
  [17, 18],
  [15, 17],
] as const)) {
  const [old, recent] = [servers.get(from)!, servers.get(to)!];
  test(`every type keeps its text through snapshot and stream, ${from} to ${to}`, async () => {
    const types = typesOf(from);
    const values = await follow(
      await migration({ from: old, to: recent, source: '  snapshot: { workers: 2 }' }),
      types,
    );
    assert.deepEqual([...values], ['text'], 'not all of them have a binary form');
  });

  test(`types with a binary form keep their text through a stream of bytes, ${from} to ${to}`, async () => {
    const types = await withBinaryForm(old, typesOf(from));
    assert.ok(types.length > 30, `${types.length}`);
    const run = () => migration({ from: old, to: recent, source: '  snapshot: { workers: 2 }' });
    assert.deepEqual([...(await follow(await run(), types))], ['binary']);
  });
}

// Whatever has to read a row makes strings of all of its values, and what comes out is written from them.
test('every type keeps its text through a filter, 15 to 17', async () => {
  const run = await migration({
    from: servers.get(15)!,
    to: servers.get(17)!,
    more: `transforms:
  - { plugin: filter, tables: ["public.v*", public.wide], where: "id > -1000" }
  - { plugin: rename, tables: "public.k*", columns: { n: m } }`,
  });
  await follow(run, typesOf(15), { n: 'm' });
});

test('every type keeps its text through a script, 17 to 18', { skip: onlyLong }, async () => {
  const run = await migration({
    from: servers.get(17)!,
    to: servers.get(18)!,
    more: 'transforms: [{ plugin: script, module: ./same.mjs }]',
  });
  await writeFile(join(dirname(run.file), 'same.mjs'), 'export default (rows) => rows.map((row) => ({ ...row }));');
  await follow(run, typesOf(17), { verify: false });
});

/** Copies, follows and compares, with SQL of ours and with `verify`. Returns how values travelled in the streams. */
async function follow(
  run: Migration,
  types: readonly TypeValues[],
  { n = 'n', verify = true }: { readonly n?: string; readonly verify?: boolean } = {},
): Promise<ReadonlySet<unknown>> {
  const values = new Set<unknown>();
  const note = (result: { readonly stdout: string }) => {
    for (const event of eventsOf(result, 'stream-started')) if ('values' in event) values.add(event['values']);
  };
  const keyed = await createTables(run.source, types);
  note(await run.run());
  const same = async (when: string) => {
    await compare(run, types, { keyed, n, when });
    if (!verify) return;
    const verified = await run.verb('verify', '--fresh');
    assert.equal(verified.code, 0, `${when}: ${verified.stdout}${verified.stderr}`);
  };
  await same('snapshot');
  await run.source.query(changes(types, keyed));
  note(await run.run());
  await same('stream');
  await run.source.query(deletions(types, keyed));
  note(await run.run());
  await same('stream after deletes');
  const [left] = await run.target.query('SELECT count(*)::int AS n FROM wide');
  assert.deepEqual(left, { n: 0 });
  return values;
}

async function withBinaryForm(on: TestServer, types: readonly TypeValues[]): Promise<TypeValues[]> {
  const db = await database(on, 'forms');
  await db.query(`${typesSetup} CREATE TABLE forms (${types.map(({ type }, i) => `c${i} ${type}`).join(', ')})`);
  const [table] = await db.query<{ oid: string }>(`SELECT 'forms'::regclass::oid::text AS oid`);
  const client = new pg.Client({ connectionString: db.url });
  await client.connect();
  const oid = Number(table!.oid);
  const { columns } = (await readColumns(client, [oid])).get(oid)!;
  await client.end();
  return types.filter((_, i) => columns[i]!.binarySafe);
}

/** Positions of the types that can be a primary key: 42704 says of the others that they have no order. */
async function createTables(db: TestDatabase, types: readonly TypeValues[]): Promise<ReadonlySet<number>> {
  const wide = types.map(({ type }, i) => `c${i} ${type}`).join(', ');
  const tables = types.map(
    ({ type }, i) => `CREATE TABLE v${i} (id int PRIMARY KEY, v ${type});
      DO $$ BEGIN CREATE TABLE k${i} (v ${type} PRIMARY KEY, n int); EXCEPTION WHEN undefined_object THEN NULL; END $$;`,
  );
  await db.query(
    `${typesSetup} CREATE TABLE wide (id int, ${wide}); ALTER TABLE wide REPLICA IDENTITY FULL; ${tables.join('\n')}`,
  );
  const made = await db.query<{ i: number }>(
    `SELECT substr(relname, 2)::int AS i FROM pg_class WHERE relkind = 'r' AND relname ~ '^k[0-9]+$' ORDER BY 1`,
  );
  const keyed = new Set(made.map(({ i }) => i).filter((i) => !withoutOrder.has(types[i]!.type)));
  await db.query(fill(types, keyed));
  return keyed;
}

/** Arrays of these can be keys as long as there is one row. */
const withoutOrder: ReadonlySet<string> = new Set(['box[]', 'json[]', 'xml[]']);

const depth = (types: readonly TypeValues[]) => Math.max(...types.map(({ values }) => values.length));

/** A key of a megabyte fits no index. */
const asKeys = (values: readonly string[]) => values.filter((value) => value.length < 2000);

function fill(types: readonly TypeValues[], keyed: ReadonlySet<number>): string {
  const statements = types.flatMap(({ values }, i) => [
    `INSERT INTO v${i} VALUES (0, NULL), ${values.map((value, r) => `(${r + 1}, ${literal(value)})`).join(', ')}`,
    ...(keyed.has(i) ? [insertKeys(i, asKeys(values))] : []),
  ]);
  return [...statements, insertWide(types, 0)].join(';\n');
}

/** Values may be equal as keys though their texts differ (1.0 and 1.00). */
function insertKeys(i: number, values: readonly string[]): string {
  return values.map((value) => `INSERT INTO k${i} VALUES (${literal(value)}, 0) ON CONFLICT DO NOTHING`).join(';\n');
}

function insertWide(types: readonly TypeValues[], first: number): string {
  const rows = Array.from({ length: depth(types) }, (_, r) => {
    const cells = types.map(({ values }) => literal(values[r % values.length]!));
    return `(${first + r}, ${cells.join(', ')})`;
  });
  // Twice the same row: one source row is one target row.
  return `INSERT INTO wide VALUES ${rows.join(', ')}, ${rows[0]}, (${first - 1}${', NULL'.repeat(types.length)})`;
}

/** After the snapshot: new rows, values that move to other rows, keys that change or stay. */
function changes(types: readonly TypeValues[], keyed: ReadonlySet<number>): string {
  const statements = types.flatMap(({ type, values }, i) => [
    `INSERT INTO v${i} SELECT id + 100, v FROM v${i}`,
    `UPDATE v${i} SET v = NULL WHERE id = 1`,
    `UPDATE v${i} SET v = ${literal(values.at(-1)!)}::${type} WHERE id = 0`,
    `UPDATE v${i} SET id = id + 1000 WHERE id > 100`,
    ...(keyed.has(i)
      ? [
          `UPDATE k${i} SET n = n + 1`,
          `DELETE FROM k${i} WHERE v = ${literal(asKeys(values)[0]!)}::${type}`,
          insertKeys(i, asKeys(values)),
        ]
      : []),
  ]);
  return [...statements, insertWide(types, 500), 'UPDATE wide SET id = id + 10000 WHERE id < 100'].join(';\n');
}

function deletions(types: readonly TypeValues[], keyed: ReadonlySet<number>): string {
  const statements = types.flatMap((_, i) => [
    `DELETE FROM v${i} WHERE id % 2 = 0`,
    ...(keyed.has(i) ? [`DELETE FROM k${i}`] : []),
  ]);
  return [...statements, 'DELETE FROM wide'].join(';\n');
}

async function compare(
  { source, target }: Migration,
  types: readonly TypeValues[],
  { keyed, n, when }: { readonly keyed: ReadonlySet<number>; readonly n: string; readonly when: string },
): Promise<void> {
  const wide = types.map((_, i) => `c${i}::text COLLATE "C" AS c${i}`).join(', ');
  const queries = (m: string) => [
    ...types.map(({ type }, i) => [type, `SELECT id, v::text AS v FROM v${i} ORDER BY id`] as const),
    ...[...keyed].map(
      (i) => [`key ${types[i]!.type}`, `SELECT v::text COLLATE "C" AS v, ${m} FROM k${i} ORDER BY 1, 2`] as const,
    ),
    ['wide', `SELECT id, ${wide} FROM wide ORDER BY id`] as const,
  ];
  const [there, here] = await Promise.all([texts(target, queries(n)), texts(source, queries('n'))]);
  for (const [i, [what]] of queries('n').entries()) assert.deepEqual(there[i], here[i], `${what}: ${when}`);
}

/** The rows of each query, in one session of plain settings. */
async function texts(db: TestDatabase, queries: readonly (readonly [string, string])[]): Promise<unknown[][]> {
  const client = new pg.Client({ connectionString: db.url });
  await client.connect();
  const found: unknown[][] = [];
  for (const [, text] of queries) {
    const { rows } = await client.query<unknown[]>({ text, rowMode: 'array' });
    found.push(rows.map((row) => row.map(shortened)));
  }
  await client.end();
  return found;
}

/** A message about a difference in a megabyte is still read by people. */
function shortened(value: unknown): unknown {
  return typeof value === 'string' && value.length > 2000 ? `${value.slice(0, 100)}… ${value.length}` : value;
}
