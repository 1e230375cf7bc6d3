import type pg from 'pg';
import type { Column } from '../../../core/postgres/relation.ts';
import type { PartitionOf, SchemaStep, TableName } from '../../../core/api/schema-change.ts';
import { qualified, quoteIdent, quoteLiteral } from '../../../core/postgres/quote.ts';
import { become, type BecomeOptions, dropAlong } from './become.ts';
import { takeColumn } from './column-there.ts';
import { noteColumns } from '../schema/made-columns.ts';
import { areNoted, noteParts, partsBefore } from '../schema/made-parts.ts';
import { resolveTables } from '../schema/tree.ts';
import type { Owner } from '../state.ts';
import { becomeTypes } from './types.ts';

export interface ExecuteOptions {
  readonly owner: Owner;
  /** Of a sink that follows DDL. */
  readonly become?: BecomeOptions;
  /** What DROP does with objects that depend on the dropped one. */
  readonly dependents: 'error' | 'cascade';
}

/** The present place of a table in the target. */
interface Standing {
  /** The table of the inheritance tree on which columns are changed: partitions inherit the change. */
  readonly root: string;
  /** The root is partitioned. */
  readonly partitions: boolean;
  readonly columns: ReadonlyMap<string, { readonly type: string; readonly nullable: boolean }>;
}

/**
 * Carries out one step in the open transaction. A step may be repeated (a partition's, after its parent's step changed
 * it, too; after a restart by hand), so anything that exists already is left alone. Returns the statements that ran,
 * for the log.
 */
export async function executeStep(
  client: pg.Client,
  step: SchemaStep,
  options: ExecuteOptions,
): Promise<readonly string[]> {
  if (step.kind === 'become') return options.become === undefined ? [] : become(client, step, options.become);
  if (step.kind === 'become-types')
    return options.become === undefined ? [] : becomeTypes(client, step, options.become);
  if (step.kind === 'drop-along') return dropAlong(client, step.objects);
  const statements = await statementsOf(client, step, options);
  if (statements.length === 0) return statements;
  const { owner } = options;
  const before = await partsBefore(client, owner, [step.table]);
  for (const sql of statements) await client.query(sql);
  await before.noteNew();
  if (step.kind === 'create-table' && (await areNoted(client))) {
    const made = await resolveTables(client, [step.table]);
    await noteParts(client, owner, [...made.values()]);
  }
  if (step.kind === 'add-column') await noteColumns(client, owner, { table: step.table, names: [step.column.name] });
  return statements;
}

type PlainStep = Exclude<SchemaStep, { kind: 'become' | 'become-types' | 'drop-along' }>;

async function statementsOf(client: pg.Client, step: PlainStep, options: ExecuteOptions): Promise<readonly string[]> {
  const table = await standing(client, step.table);
  const behaviour = options.dependents === 'cascade' ? ' CASCADE' : '';
  switch (step.kind) {
    case 'create-table':
      return table === null ? createTable(client, step) : [];
    case 'rename-table':
      return table === null && (await standing(client, step.to)) !== null ? [] : renameTable(client, step);
    case 'drop-table':
      return table === null ? [] : [`DROP TABLE ${qualified(step.table)}${behaviour}`];
    case 'attach':
      return attach(client, step);
    case 'detach':
      return detach(client, step);
    case 'inherit':
    case 'no-inherit': {
      if ((await isBelow(client, step.table, step.parent)) === (step.kind === 'inherit')) return [];
      const verb = step.kind === 'inherit' ? 'INHERIT' : 'NO INHERIT';
      return [`ALTER TABLE ${qualified(step.table)} ${verb} ${qualified(step.parent)}`];
    }
    case 'add-column':
      if (table?.columns.has(step.column.name) !== true) return addColumn(table?.root ?? qualified(step.table), step);
      await takeColumn(client, step, options.owner);
      return [];
    case 'drop-column':
      if (table !== null && !table.columns.has(step.column)) return [];
      // An inheriting table may have kept the column on the source (ALTER TABLE ONLY); if it has not, it has a message
      // of its own.
      return [
        `ALTER TABLE ${table?.partitions === false ? 'ONLY ' : ''}${table?.root ?? qualified(step.table)} DROP COLUMN ${quoteIdent(step.column)}${behaviour}`,
      ];
    case 'rename-column':
      if (table !== null && !table.columns.has(step.from) && table.columns.has(step.to)) return [];
      return [
        `ALTER TABLE ${table?.root ?? qualified(step.table)} RENAME COLUMN ${quoteIdent(step.from)} TO ${quoteIdent(step.to)}`,
      ];
    case 'retype-column': {
      if (table?.columns.get(step.column.name)?.type === step.column.typeName) return [];
      const column = quoteIdent(step.column.name);
      return [
        `ALTER TABLE ${table?.root ?? qualified(step.table)} ALTER COLUMN ${column} TYPE ${step.column.typeName}`,
      ];
    }
    case 'set-nullable': {
      if (table?.columns.get(step.column)?.nullable === step.nullable) return [];
      const verb = step.nullable ? 'DROP' : 'SET';
      const root = table?.root ?? qualified(step.table);
      return [`ALTER TABLE ${root} ALTER COLUMN ${quoteIdent(step.column)} ${verb} NOT NULL`];
    }
    default:
      return step satisfies never;
  }
}

/** Existing rows get the source's value first, then the default for later rows is set. */
function addColumn(
  table: string,
  { column, value, fallback }: Extract<SchemaStep, { kind: 'add-column' }>,
): readonly string[] {
  const name = quoteIdent(column.name);
  const filled = value === null ? '' : ` DEFAULT ${quoteLiteral(value)}`;
  const statements = [
    `ALTER TABLE ${table} ADD COLUMN ${definition(column)}${filled}${column.notNull ? ' NOT NULL' : ''}`,
  ];
  if (fallback !== null) statements.push(`ALTER TABLE ${table} ALTER COLUMN ${name} SET DEFAULT ${fallback}`);
  else if (value !== null) statements.push(`ALTER TABLE ${table} ALTER COLUMN ${name} DROP DEFAULT`);
  return statements;
}

function definition(column: Column): string {
  return `${quoteIdent(column.name)} ${column.typeName}`;
}

async function createTable(
  client: pg.Client,
  step: Extract<SchemaStep, { kind: 'create-table' }>,
): Promise<readonly string[]> {
  const { table, columns, primaryKey, partitionBy, partitionOf } = step;
  const schema = `CREATE SCHEMA IF NOT EXISTS ${quoteIdent(table.schema)}`;
  if (partitionOf !== null) {
    const parent = await parentOf(client, partitionOf);
    const by = partitionBy === null ? '' : ` PARTITION BY ${partitionBy}`;
    return [schema, `CREATE TABLE ${qualified(table)} PARTITION OF ${parent} ${partitionOf.bound}${by}`];
  }
  const lines = columns.map(({ column, fallback }) => {
    const identity = column.identity === 'never' ? '' : ` GENERATED ${identityWord(column)} AS IDENTITY`;
    return `${definition(column)}${fallback === null ? '' : ` DEFAULT ${fallback}`}${column.notNull ? ' NOT NULL' : ''}${identity}`;
  });
  const key = primaryKey.length === 0 ? [] : [`PRIMARY KEY (${primaryKey.map(quoteIdent).join(', ')})`];
  const by = partitionBy === null ? '' : ` PARTITION BY ${partitionBy}`;
  return [schema, `CREATE TABLE ${qualified(table)} (${[...lines, ...key].join(', ')})${by}`];
}

function identityWord(column: Column): string {
  return column.identity === 'always' ? 'ALWAYS' : 'BY DEFAULT';
}

async function renameTable(
  client: pg.Client,
  { table, to }: Extract<SchemaStep, { kind: 'rename-table' }>,
): Promise<readonly string[]> {
  const statements: string[] = [];
  const between = { schema: table.schema, name: to.name };
  // If a name is taken in the schema, the move to the other schema comes first.
  const free = table.schema === to.schema || (await standing(client, between)) === null;
  if (table.schema !== to.schema) statements.push(`CREATE SCHEMA IF NOT EXISTS ${quoteIdent(to.schema)}`);
  const rename = (at: TableName) => `ALTER TABLE ${qualified(at)} RENAME TO ${quoteIdent(to.name)}`;
  const move = (at: TableName) => `ALTER TABLE ${qualified(at)} SET SCHEMA ${quoteIdent(to.schema)}`;
  const [renames, moves] = [table.name !== to.name, table.schema !== to.schema];
  if (free) {
    if (renames) statements.push(rename(table));
    if (moves) statements.push(move(between));
  } else {
    statements.push(move(table));
    if (renames) statements.push(rename({ schema: to.schema, name: table.name }));
  }
  return statements;
}

/** A target that has no such tree, or another one (`schema: existing`), is left unchanged. */
async function attach(
  client: pg.Client,
  { table, to }: Extract<SchemaStep, { kind: 'attach' }>,
): Promise<readonly string[]> {
  const parent = await parentOf(client, to);
  const { rows } = await client.query(
    `SELECT FROM pg_class c, pg_class p WHERE c.oid = to_regclass($1) AND NOT c.relispartition AND p.oid = to_regclass($2) AND p.relkind = 'p'`,
    [qualified(table), parent],
  );
  if (rows.length === 0) return [];
  return [`ALTER TABLE ${parent} ATTACH PARTITION ${qualified(table)} ${to.bound}`];
}

async function detach(
  client: pg.Client,
  { table, from }: Extract<SchemaStep, { kind: 'detach' }>,
): Promise<readonly string[]> {
  const { rows } = await client.query<{ parent: string }>(
    `SELECT format('%I.%I', n.nspname, p.relname) AS parent FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid AND c.relispartition
     JOIN pg_class p ON p.oid = i.inhparent JOIN pg_namespace n ON n.oid = p.relnamespace
     WHERE c.oid = to_regclass($1) AND ($2::text IS NULL OR p.oid = to_regclass($2::text))`,
    [qualified(table), from === null ? null : qualified(from)],
  );
  return rows.map(({ parent }) => `ALTER TABLE ${parent} DETACH PARTITION ${qualified(table)}`);
}

async function isBelow(client: pg.Client, table: TableName, parent: TableName): Promise<boolean> {
  const { rows } = await client.query(
    'SELECT FROM pg_inherits WHERE inhrelid = to_regclass($1) AND inhparent = to_regclass($2)',
    [qualified(table), qualified(parent)],
  );
  return rows.length > 0;
}

/** The table that a sibling is a partition of; without a sibling, by name. */
async function parentOf(client: pg.Client, { parent, sibling }: PartitionOf): Promise<string> {
  if (sibling === null) return qualified(parent);
  const { rows } = await client.query<{ name: string }>(
    `SELECT format('%I.%I', n.nspname, c.relname) AS name FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhparent
     JOIN pg_namespace n ON n.oid = c.relnamespace WHERE i.inhrelid = to_regclass($1)`,
    [qualified(sibling)],
  );
  return rows[0]?.name ?? qualified(parent);
}

async function standing(client: pg.Client, table: TableName): Promise<Standing | null> {
  const { rows } = await client.query<{ root: string; kind: string; columns: string | null }>(
    `SELECT format('%I.%I', n.nspname, r.relname) AS root, r.relkind AS kind,
       (SELECT json_agg(json_build_array(a.attname, format_type(a.atttypid, a.atttypmod), NOT a.attnotnull))::text
        FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped) AS columns
     FROM pg_class c
     CROSS JOIN LATERAL (WITH RECURSIVE up AS (SELECT c.oid, c.relispartition, 0 AS depth
         UNION ALL SELECT p.oid, p.relispartition, depth + 1 FROM up JOIN pg_inherits i ON up.relispartition AND i.inhrelid = up.oid
           JOIN pg_class p ON p.oid = i.inhparent)
       SELECT oid FROM up ORDER BY depth DESC LIMIT 1) top
     JOIN pg_class r ON r.oid = top.oid JOIN pg_namespace n ON n.oid = r.relnamespace
     WHERE c.oid = to_regclass($1)`,
    [qualified(table)],
  );
  const [row] = rows;
  if (row === undefined) return null;
  const columns = JSON.parse(row.columns ?? '[]') as [string, string, boolean][];
  return {
    root: row.root,
    partitions: row.kind === 'p',
    columns: new Map(columns.map(([name, type, nullable]) => [name, { type, nullable }])),
  };
}
