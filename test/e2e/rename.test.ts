import assert from 'node:assert/strict';
import { test } from 'node:test';
import { live } from '../support/live.ts';
import { type TestDatabase, database, server } from '../support/servers.ts';

await server(17);

const ddl = `
  CREATE SCHEMA "Shop";
  CREATE TYPE "Shop".mood AS ENUM ('sad', 'glad');
  CREATE DOMAIN "Shop".code AS text CHECK (VALUE <> '');
  CREATE FUNCTION "Shop".touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
  CREATE TABLE "Shop".customer (
    id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, mail text NOT NULL, name text DEFAULT 'no name', secret text,
    mood "Shop".mood DEFAULT 'glad', code "Shop".code, born date, CONSTRAINT mail_form CHECK (mail LIKE '%@%'),
    lower_mail text GENERATED ALWAYS AS (lower(mail)) STORED, CONSTRAINT no_overlap EXCLUDE USING btree (code WITH =));
  CREATE UNIQUE INDEX customer_mail ON "Shop".customer (lower(mail)) INCLUDE (name) WHERE name IS NOT NULL;
  CREATE STATISTICS "Shop".customer_stats ON mail, name FROM "Shop".customer;
  COMMENT ON COLUMN "Shop".customer.mail IS 'where to write';
  COMMENT ON TABLE "Shop".customer IS 'people';
  CREATE TABLE "Shop"."Order" (
    id serial PRIMARY KEY, customer int NOT NULL REFERENCES "Shop".customer ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
    parent int REFERENCES "Shop"."Order" (id), total numeric(10,2) CHECK (total > 0), state text,
    UNIQUE (customer, state), CONSTRAINT both_ways CHECK (total < 1000 OR state = 'big'));
  CREATE INDEX order_state ON "Shop"."Order" USING btree (state DESC NULLS LAST) WHERE total > 1;
  CREATE VIEW "Shop".totals WITH (security_barrier) AS
    SELECT c.mail, c.mood, sum(o.total) AS total FROM "Shop".customer c JOIN "Shop"."Order" o ON o.customer = c.id GROUP BY c.id;
  CREATE VIEW public.above AS SELECT t.mail FROM "Shop".totals t WHERE t.total > 10;
  CREATE MATERIALIZED VIEW "Shop".cached AS SELECT state, count(*) FROM "Shop"."Order" GROUP BY state;
  CREATE INDEX ON "Shop".cached (state);
  CREATE RULE keep AS ON DELETE TO "Shop".totals DO INSTEAD NOTHING;
  ALTER TABLE "Shop".customer ENABLE ROW LEVEL SECURITY;
  CREATE POLICY own ON "Shop".customer FOR SELECT USING (mail = current_user AND EXISTS (SELECT FROM "Shop"."Order" o WHERE o.customer = customer.id));
  CREATE TRIGGER touch BEFORE UPDATE OF mail, name ON "Shop".customer FOR EACH ROW WHEN (NEW.mail IS DISTINCT FROM OLD.mail) EXECUTE FUNCTION "Shop".touch();
  CREATE TABLE "Shop".log (at date NOT NULL, kind text NOT NULL, who int REFERENCES "Shop".customer, PRIMARY KEY (at, kind)) PARTITION BY RANGE (at);
  CREATE TABLE "Shop".log_2023 PARTITION OF "Shop".log FOR VALUES FROM ('2023-01-01') TO ('2024-01-01');
  CREATE TABLE "Shop".log_2024 PARTITION OF "Shop".log FOR VALUES FROM ('2024-01-01') TO ('2025-01-01') PARTITION BY LIST (kind);
  CREATE TABLE "Shop".log_2024_a PARTITION OF "Shop".log_2024 FOR VALUES IN ('a');
  CREATE TABLE "Shop".log_2024_b PARTITION OF "Shop".log_2024 DEFAULT;
  CREATE INDEX log_kind ON "Shop".log (kind);
  CREATE VIEW "Shop".recent AS SELECT kind, who FROM "Shop".log WHERE at > '2024-06-01';
  CREATE SEQUENCE "Shop".loose START 100; ALTER SEQUENCE "Shop".loose OWNED BY "Shop"."Order".state;
`;
const rows = `
  INSERT INTO "Shop".customer (mail, name, code) SELECT 'm' || i || '@x', 'n' || i, 'c' || i FROM generate_series(1, 9) i;
  INSERT INTO "Shop"."Order" (customer, total, state) SELECT i, i, 's' || i FROM generate_series(1, 9) i;
  INSERT INTO "Shop".log VALUES ('2023-02-02', 'a', 1), ('2024-02-02', 'a', 2), ('2024-02-02', 'b', 3);
  REFRESH MATERIALIZED VIEW "Shop".cached;`;

/** What the transforms of the file say, by PostgreSQL's own hand. */
const byHand = `
  CREATE SCHEMA crm; CREATE SCHEMA "Old Logs";
  ALTER TABLE "Shop".customer DROP COLUMN secret;
  ALTER TABLE "Shop".customer RENAME COLUMN mail TO "E-Mail";
  ALTER TABLE "Shop".customer RENAME COLUMN lower_mail TO small;
  ALTER TABLE "Shop".customer RENAME COLUMN id TO customer_id;
  ALTER TABLE "Shop".customer RENAME TO account;
  ALTER TABLE "Shop".account SET SCHEMA crm;
  ALTER TABLE "Shop"."Order" RENAME COLUMN customer TO account;
  ALTER TABLE "Shop"."Order" RENAME COLUMN state TO total_state;
  ALTER TABLE "Shop"."Order" RENAME TO purchase;
  ALTER TABLE "Shop".purchase SET SCHEMA crm;
  ALTER TABLE "Shop".log RENAME COLUMN kind TO sort;
  ALTER TABLE "Shop".log RENAME TO log_old; ALTER TABLE "Shop".log_old SET SCHEMA "Old Logs";
  ALTER TABLE "Shop".log_2023 RENAME TO log_2023_old; ALTER TABLE "Shop".log_2023_old SET SCHEMA "Old Logs";
  ALTER TABLE "Shop".log_2024 RENAME TO log_2024_old; ALTER TABLE "Shop".log_2024_old SET SCHEMA "Old Logs";
  ALTER TABLE "Shop".log_2024_a RENAME TO log_2024_a_old; ALTER TABLE "Shop".log_2024_a_old SET SCHEMA "Old Logs";
  ALTER TABLE "Shop".log_2024_b RENAME TO log_2024_b_old; ALTER TABLE "Shop".log_2024_b_old SET SCHEMA "Old Logs";`;

const yaml = `transforms:
  - { plugin: columns, tables: Shop.customer, drop: [secret] }
  - { plugin: rename, tables: Shop.customer, to: crm.account, columns: { mail: E-Mail, lower_mail: small, id: customer_id } }
  - { plugin: rename, tables: Shop.Order, to: crm.purchase, columns: { customer: account, state: total_state } }
  - { plugin: rename, tables: Shop.log_*, to: "Old Logs.{table}_old", columns: { kind: sort } }
`;

const catalogs = `
  SELECT 'view ' || oid::regclass || ' ' || coalesce(reloptions::text, '') || pg_get_viewdef(oid) AS x FROM pg_class WHERE relkind IN ('v', 'm') AND relnamespace = ANY (s)
  UNION ALL SELECT 'rule ' || pg_get_ruledef(r.oid) FROM pg_rewrite r JOIN pg_class c ON c.oid = ev_class WHERE rulename <> '_RETURN' AND relnamespace = ANY (s)
  UNION ALL SELECT 'constraint ' || conrelid::regclass || ' ' || conname || ' ' || pg_get_constraintdef(oid) || convalidated || coninhcount FROM pg_constraint WHERE connamespace = ANY (s)
  UNION ALL SELECT 'index ' || pg_get_indexdef(indexrelid) || indisvalid || indisprimary FROM pg_index JOIN pg_class c ON c.oid = indrelid WHERE c.relnamespace = ANY (s)
  UNION ALL SELECT 'column ' || attrelid::regclass || '.' || attname || ' ' || format_type(atttypid, atttypmod) || attnotnull || attidentity::text || attgenerated::text || attinhcount || coalesce(pg_get_expr(adbin, adrelid), '') || coalesce(col_description(attrelid, attnum), '')
    FROM pg_attribute JOIN pg_class c ON c.oid = attrelid LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
    WHERE attnum > 0 AND NOT attisdropped AND c.relkind IN ('r', 'p', 'v', 'm') AND c.relnamespace = ANY (s)
  UNION ALL SELECT 'table ' || oid::regclass || relkind::text || relrowsecurity || coalesce(pg_get_partkeydef(oid), '') || coalesce(pg_get_expr(relpartbound, oid), '') || coalesce(obj_description(oid), '') FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace = ANY (s)
  UNION ALL SELECT 'trigger ' || pg_get_triggerdef(t.oid) || tgenabled::text FROM pg_trigger t JOIN pg_class c ON c.oid = tgrelid WHERE NOT tgisinternal AND c.relnamespace = ANY (s)
  UNION ALL SELECT 'policy ' || polrelid::regclass || polname::text || polcmd::text || coalesce(pg_get_expr(polqual, polrelid), '') FROM pg_policy
  UNION ALL SELECT 'statistics ' || pg_get_statisticsobjdef(oid) FROM pg_statistic_ext WHERE stxnamespace = ANY (s)
  UNION ALL SELECT 'sequence ' || c.oid::regclass || ' ' || seqstart || ' ' || coalesce(d.refobjid::regclass::text || '.' || a.attname, 'loose') FROM pg_class c JOIN pg_sequence ON seqrelid = c.oid
    LEFT JOIN pg_depend d ON d.objid = c.oid AND d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass AND d.deptype IN ('a', 'i')
    LEFT JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid WHERE c.relnamespace = ANY (s)`;

async function everything(db: TestDatabase): Promise<readonly string[]> {
  const found = await db.query<{ x: string }>(
    `SELECT x FROM (SELECT array_agg(oid) AS s FROM pg_namespace WHERE nspname IN ('Shop', 'crm', 'Old Logs', 'public')) n, LATERAL (${catalogs}) c ORDER BY x COLLATE "C"`,
  );
  return found.map(({ x }) => x);
}

test('renamed schema, tables and columns: the catalogs are what ALTERs by hand give', async () => {
  const pipeline = await live({ from: 17, to: 17, source: ddl + rows, yaml });
  const hand = await database(await server(17), 'hand');
  await hand.query(ddl);
  await hand.query(byHand);
  await pipeline.settle();
  assert.deepEqual(await everything(pipeline.target), await everything(hand));
  await pipeline.same('SELECT mail, name FROM "Shop".customer', 'SELECT "E-Mail" AS mail, name FROM crm.account');
  await pipeline.same('SELECT at, kind AS sort, who FROM "Shop".log', 'SELECT * FROM "Old Logs".log_old');
  await pipeline.same('SELECT * FROM "Shop".cached', 'SELECT * FROM "Shop".cached');
});

test('plan names what cannot survive before anything runs', async () => {
  const pipeline = await live({
    source: ddl,
    sourceKeys: '  tables: { exclude: ["Shop.log*"] }',
    yaml: `transforms: [{ plugin: columns, tables: Shop.customer, drop: [mail, code] }]`,
  });
  const plan = await pipeline.verb('plan');
  assert.equal(plan.code, 0, plan.stderr);
  const lost = plan.stdout.split('\n').filter((line) => line.includes('cannot stay'));
  assert.deepEqual(lost, [
    '  cannot stay: column lower_mail of table "Shop".customer, as it needs Shop.customer.mail',
    '  cannot stay: policy own on table "Shop".customer, as it needs Shop.customer.mail',
    '  cannot stay: trigger touch on table "Shop".customer, as it needs Shop.customer.mail',
    '  cannot stay: view "Shop".totals, as it needs Shop.customer.mail',
    '  cannot stay: view "Shop".recent, as it needs Shop.log',
  ]);
  assert.match(plan.stdout, /dependents: cascade/);
  const checked = await pipeline.verb('check');
  assert.equal(checked.code, 3, checked.stdout);
  assert.match(checked.stdout, /view "Shop"\.totals/);
});
