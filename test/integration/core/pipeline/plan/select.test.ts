import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import type pg from 'pg';
import type { RowChange } from '../../../../../core/api/change.ts';
import type { Cell, Tuple } from '../../../../../core/postgres/tuple.ts';
import type { TablePlan } from '../../../../../core/api/plan.ts';
import type { Relation } from '../../../../../core/postgres/relation.ts';
import { loadParser } from '../../../../../core/expr/parse.ts';
import { createMapper } from '../../../../../core/pipeline/plan/mapper.ts';
import { type PlanStep, planTables } from '../../../../../core/pipeline/plan/planner.ts';
import { publishedTables } from '../../../../../core/pipeline/plan/publication.ts';
import { qualified } from '../../../../../core/postgres/quote.ts';
import { readColumns } from '../../../../../core/postgres/columns.ts';
import { connect, disconnect } from '../../../../../core/postgres/connect.ts';
import { columns } from '../../../../../plugins/transform-columns/plugin.ts';
import { filter } from '../../../../../plugins/transform-filter/plugin.ts';
import { mask } from '../../../../../plugins/transform-mask/plugin.ts';
import { rename } from '../../../../../plugins/transform-rename/plugin.ts';
import { script } from '../../../../../plugins/transform-script/plugin.ts';
import { set } from '../../../../../plugins/transform-set/plugin.ts';
import { inserted, planInput, step } from '../../../../support/plan.ts';
import { database, server } from '../../../../support/servers.ts';

before(() => loadParser());

const schema = `
  CREATE TYPE mood AS ENUM ('sad', 'ok');
  CREATE DOMAIN loose AS text CHECK (value <> 'never');
  CREATE TABLE t (
    id bigint PRIMARY KEY, small smallint, n integer, price numeric(10,2), f double precision, flag boolean,
    body text, short varchar(30), padded char(8), made timestamp, seen timestamptz, day date, u uuid, j jsonb,
    raw bytea, tags text[], feeling mood, word loose, twice text GENERATED ALWAYS AS (body || body) STORED);
  INSERT INTO t
  SELECT i, i % 100, CASE WHEN i % 7 <> 0 THEN i * 31 - 500 END, i * 1.37 - 20, i / 3.0, i % 3 = 0,
    CASE i % 5 WHEN 0 THEN NULL WHEN 1 THEN '' ELSE 'Ünï ' || i || E'\\n\\t\\\\x' END, '+49 171 ' || 1000000 + i,
    'p' || i, timestamp '2024-01-01' + i * interval '1 hour 1 microsecond',
    CASE WHEN i % 4 <> 0 THEN timestamptz '2024-02-01 12:00+02' + i * interval '1 day' END, date '2020-02-28' + i,
    md5(i::text)::uuid, jsonb_build_object('a', i, 'b', NULL, 'c', 'x' || i),
    decode(md5(i::text), 'hex'), CASE WHEN i % 6 <> 0 THEN ARRAY['a', 'b c', NULL, i::text] END,
    CASE WHEN i % 2 = 0 THEN 'ok' ELSE 'sad' END::mood, 'w' || i % 3
  FROM generate_series(1, 300) i`;

/** Chains that together use every declarative transform and many types. */
const chains: Readonly<Record<string, readonly PlanStep[]>> = {
  untouched: [],
  'filters over other types': [
    step(filter({ where: "made >= '2024-01-03' AND (flag OR price > 100.5) AND feeling = 'ok'" })),
    step(filter({ where: "coalesce(body, 'none') <> '' AND word IN ('w0', 'w2') AND day < '2020-12-24'" })),
  ],
  'renames and drops': [
    step(rename({ to: 'crm.{schema}_{table}', columns: { body: 'text', short: 'phone', id: 'number' } })),
    step(columns({ drop: ['raw', 'tags', 'j', 'twice'] })),
  ],
  'computed columns': [
    step(
      set({
        columns: {
          total: { expr: 'price * n', type: 'numeric(16,3)' },
          n: 'coalesce(n, 0)::bigint * 2',
          body: "upper(left(body, 3)) || '-' || id",
          year: 'extract(year FROM made)',
          kind: "CASE WHEN n IS NULL THEN 'none' WHEN n > 100 THEN 'big' ELSE 'small' END",
          a: "j ->> 'a'",
          tag: 'tags[2]',
          half: { expr: 'f / 2', type: 'real' },
        },
      }),
    ),
    step(rename({ columns: { total: 'sum' } })),
    step(filter({ where: "sum IS NOT NULL AND kind <> 'small'" })),
  ],
  masks: [
    step(
      mask({
        columns: {
          body: { hash: { secret: "it's a \\ secret" } },
          u: { hash: { secret: 'another-secret' } },
          short: { digits: { secret: 'another-secret' } },
          padded: { partial: { prefix: 1, suffix: 1 } },
          feeling: 'null',
          word: 'redact',
          n: { hash: { secret: 'another-secret', length: 16 } },
        },
      }),
    ),
    step(filter({ where: "n LIKE '%a%'" })),
  ],
  'a script between': [
    step(filter({ where: 'id > 50' })),
    step(
      script(
        (rows) => rows.filter((row) => row['flag'] === 't').map((row) => ({ ...row, mark: row['body'] ?? null })),
        { add: { mark: 'text' } },
      ),
    ),
    step(set({ columns: { mark: "coalesce(mark, '?')" } })),
  ],
};

async function readTable(client: pg.Client): Promise<Relation> {
  const { rows } = await client.query({ text: "SELECT 'public.t'::regclass::oid", rowMode: 'array' });
  const oid = Number(rows[0]?.[0]);
  const found = (await readColumns(client, [oid])).get(oid);
  assert.ok(found !== undefined);
  const identity = { kind: 'key', positions: [0] } as const;
  return { oid, schema: 'public', name: 't', kind: 'table', columns: found.columns, identity, primaryKey: [0] };
}

async function select(client: pg.Client, sql: string): Promise<Tuple[]> {
  const { rows } = await client.query<Cell[]>({ text: sql, rowMode: 'array' });
  return rows;
}

/** The rows that the snapshot's SELECT and the tail give. */
async function snapshot(client: pg.Client, plan: TablePlan): Promise<readonly Tuple[]> {
  const { select: items, where } = plan.query;
  const filtered = where === null ? '' : ` WHERE ${where}`;
  const rows = await select(client, `SELECT ${items.join(', ')} FROM ONLY ${qualified(plan.source)}${filtered}`);
  return plan.tail === null ? rows : plan.tail.rows(rows);
}

const sorted = (rows: readonly Tuple[]): readonly string[] => rows.map((row) => JSON.stringify(row)).sort();

for (const major of [15, 17]) {
  test(`the SELECT of every plan gives what the mapper makes of the same inserts (${major})`, async (t) => {
    const db = await database(await server(major));
    await db.query(schema);
    const client = await connect({ url: db.url }, { name: 'source', applicationName: 'test' });
    try {
      const table = await readTable(client);
      const streamed = { ...table, columns: table.columns.filter((column) => column.generated === 'never') };
      const names = streamed.columns.map((column) => `"${column.name}"`).join(', ');
      const source = await select(client, `SELECT ${names} FROM public.t`);
      for (const [name, steps] of Object.entries(chains)) {
        await t.test(name, async () => {
          const input = planInput([table], steps, { sourceVersion: major * 10_000 });
          const { plans, problems } = planTables(input);
          assert.deepEqual(problems, []);
          const [plan] = plans;
          assert.ok(plan !== undefined);
          const changes = source.map((row) => inserted(streamed, row));
          const mapped = (await createMapper(input, plans).map(changes)) as readonly RowChange[];
          const rows = mapped.map((change) => (change as { after: Tuple }).after);
          const copied = await snapshot(client, plan);
          assert.ok(copied.length > 5, `${copied.length} rows`);
          assert.deepEqual(sorted(rows), sorted(copied));
        });
      }
    } finally {
      await disconnect(client);
    }
  });
}

test('types of computed columns are the types that the server says the SELECT has', async () => {
  const db = await database(await server(17));
  await db.query(schema);
  const client = await connect({ url: db.url }, { name: 'source', applicationName: 'test' });
  try {
    const table = await readTable(client);
    for (const [name, steps] of Object.entries(chains)) {
      const [plan] = planTables(planInput([table], steps)).plans;
      assert.ok(plan !== undefined);
      if (plan.tail !== null) continue;
      const list = plan.query.select.map((item, i) => `${item} AS "${plan.output.columns[i]?.name}"`);
      await client.query(`CREATE TEMP VIEW made AS SELECT ${list.join(', ')} FROM public.t`);
      const types = await select(
        client,
        "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 'pg_temp.made'::regclass AND attnum > 0 ORDER BY attnum",
      );
      await client.query('DROP VIEW made');
      assert.deepEqual(
        plan.output.columns.map((column) => [column.name, column.typeName]),
        types,
        name,
      );
    }
  } finally {
    await disconnect(client);
  }
});

test('what is pushed into a publication is accepted by the server, and writes go on', async () => {
  const db = await database(await server(17));
  await db.query(schema);
  const client = await connect({ url: db.url }, { name: 'source', applicationName: 'test' });
  const filters = [
    'id > 5 AND id IS NOT NULL',
    'id IN (1, 2, 3) OR NOT (id >= 100) OR id NOT IN (7, 8)',
    "body = 'x' AND made < '2024-01-01' AND price > 3 AND flag AND (n > 3) IS NOT TRUE AND u <> '6ba7b810-9dad-11d1-80b4-00c04fd430c8'",
  ];
  try {
    const keyed = await readTable(client);
    const whole: Relation = { ...keyed, identity: { kind: 'full' } };
    let pushed = 0;
    for (const [table, mode] of [
      [keyed, 'DEFAULT'],
      [whole, 'FULL'],
    ] as const) {
      await client.query(`ALTER TABLE public.t REPLICA IDENTITY ${mode}`);
      for (const where of filters) {
        const steps = [step(filter({ where })), step(columns({ keep: ['id', 'body', 'small'] }))];
        const [published] = publishedTables([planTables(planInput([table], steps)).plans], 170_000);
        assert.ok(published !== undefined);
        const list = published.columns === null ? '' : ` (${published.columns.map((c) => `"${c}"`).join(', ')})`;
        const rows = published.where === null ? '' : ` WHERE (${published.where})`;
        if (rows !== '') pushed++;
        await client.query(`CREATE PUBLICATION p FOR TABLE public.t${list}${rows}`);
        await client.query('UPDATE public.t SET n = n, body = body WHERE id = 1');
        await client.query('UPDATE public.t SET id = 1000 WHERE id = 2; DELETE FROM public.t WHERE id = 1000');
        await client.query("INSERT INTO public.t (id, body, short, padded) VALUES (2, 'x', '', '')");
        await client.query('DROP PUBLICATION p');
      }
    }
    assert.equal(pushed, 5);
  } finally {
    await disconnect(client);
  }
});
