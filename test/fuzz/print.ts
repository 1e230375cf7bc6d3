import { typeSetup } from '../support/types-values.ts';
import type { Column, Member, Row, Script, Split, Statement, Table, Value, Where } from './script.ts';

/** A script's tables and statements as SQL. */

/** Names that the generator takes and SQL does not, without quotes. */
const reserved: ReadonlySet<string> = new Set(['order', 'select']);

export const ident = (name: string): string =>
  /^[a-z_][a-z0-9_]*$/.test(name) && !reserved.has(name) ? name : `"${name.replaceAll('"', '""')}"`;

export const qualified = (table: Pick<Table, 'schema' | 'name'>): string =>
  `${ident(table.schema)}.${ident(table.name)}`;

export const text = (value: string): string => `'${value.replaceAll("'", "''")}'`;

function literal(value: Value): string {
  if (value === null) return 'NULL';
  return typeof value === 'string' ? text(value) : value.sql;
}

/** Equal for case, so that a key finds what is not the same text. */
const nocase = `CREATE COLLATION nocase (provider = icu, locale = 'und-u-ks-level2', deterministic = false)`;

/** Schemas, types and tables, one statement each. */
export function schemaStatements(script: Script): readonly string[] {
  const schemas = [...new Set(script.tables.map(({ schema }) => schema))].filter((name) => name !== 'public');
  return [
    ...schemas.map((name) => `CREATE SCHEMA ${ident(name)}`),
    ...(script.needs.includes('nocase') ? [nocase] : []),
    ...typeSetup.filter(({ names }) => names.some((name) => script.needs.includes(name))).map(({ sql }) => sql),
    ...script.tables.flatMap((table) => tableStatements(table, script)),
    ...script.tables.flatMap((table) => foreignKey(table, script)),
  ];
}

function tableStatements(table: Table, script: Script): readonly string[] {
  const name = qualified(table);
  const parent = script.tables.find(({ id }) => id === table.inherits);
  const parts = [
    ...table.columns.map((column) => columnSql(column)),
    ...table.keys.map(({ name: key, kind, columns, include = [], deferrable = '' }) =>
      `CONSTRAINT ${ident(key)} ${kind} (${columns.map(ident).join(', ')})${include.length > 0 ? ` INCLUDE (${include.map(ident).join(', ')})` : ''} ${deferrable}`.trim(),
    ),
    ...table.checks.map((check) => `CHECK (${check})`),
  ];
  const tail = `${parent === undefined ? '' : ` INHERITS (${qualified(parent)})`}${splitSql(table.split)}`;
  return [
    `CREATE ${table.unlogged === true ? 'UNLOGGED ' : ''}TABLE ${name} (\n  ${parts.join(',\n  ')}\n)${tail}`,
    ...table.columns
      .filter(({ dropped }) => dropped)
      .map((column) => `ALTER TABLE ${name} DROP COLUMN ${ident(column.name)}`),
    ...(table.split === undefined ? [] : members(table, name, table.split)),
    ...table.columns
      .filter(({ external }) => external)
      .map((column) => `ALTER TABLE ${name} ALTER COLUMN ${ident(column.name)} SET STORAGE EXTERNAL`),
    ...identity(table).map((leaf) => `ALTER TABLE ${leaf}`),
    ...table.indexes.map((index) => index.replace('%', name)),
  ];
}

function columnSql({ name, type, collation, notNull, default: value, generated, identity: kind }: Column): string {
  const parts = [ident(name), type];
  if (collation !== undefined) parts.push(`COLLATE ${ident(collation)}`);
  if (generated !== undefined) parts.push(`GENERATED ALWAYS AS (${generated.as}) ${generated.kind}`);
  if (kind !== undefined) parts.push(`GENERATED ${kind} AS IDENTITY`);
  if (value !== undefined) parts.push(`DEFAULT ${value}`);
  if (notNull === true) parts.push('NOT NULL');
  return parts.join(' ');
}

const splitSql = (split: Split | undefined): string =>
  split === undefined ? '' : ` PARTITION BY ${split.by} (${ident(split.column)})`;

function members(table: Table, parent: string, split: Split): readonly string[] {
  return split.members.flatMap((member) => {
    const name = `${ident(table.schema)}.${ident(member.name)}`;
    const below = member.split === undefined ? [] : members(table, name, member.split);
    return [...memberSql({ table, parent, name, member }), ...below];
  });
}

function memberSql(at: { table: Table; parent: string; name: string; member: Member }): readonly string[] {
  const { table, parent, name, member } = at;
  const split = splitSql(member.split);
  if (member.attached !== true) return [`CREATE TABLE ${name} PARTITION OF ${parent} ${member.bound}${split}`];
  const columns = table.columns.filter(({ dropped }) => dropped !== true).map((column) => columnSql(column));
  const apart = ['gone_before int', ...columns.toReversed()].join(', ');
  return [
    `CREATE TABLE ${name} (${apart})${split}`,
    `ALTER TABLE ${name} DROP COLUMN gone_before`,
    `ALTER TABLE ${parent} ATTACH PARTITION ${name} ${member.bound}`,
  ];
}

/** Names of the tables that hold rows. */
export function leaves(table: Table): readonly string[] {
  const below = (split: Split): readonly string[] =>
    split.members.flatMap((member) =>
      member.split === undefined ? [`${ident(table.schema)}.${ident(member.name)}`] : below(member.split),
    );
  return table.split === undefined ? [qualified(table)] : below(table.split);
}

function identity(table: Table): readonly string[] {
  if (table.identity === 'DEFAULT') return [];
  if (table.identity === 'FULL' || table.identity === 'NOTHING')
    return leaves(table).map((leaf) => `${leaf} REPLICA IDENTITY ${table.identity}`);
  return [`${qualified(table)} REPLICA IDENTITY USING INDEX ${ident(table.identity)}`];
}

function foreignKey(table: Table, script: Script): readonly string[] {
  const { references } = table;
  const to = script.tables.find(({ id }) => id === references?.table);
  if (references === undefined || to === undefined) return [];
  return [
    `ALTER TABLE ${qualified(table)} ADD FOREIGN KEY (${ident(references.column)}) REFERENCES ${qualified(to)} (${ident(references.to)}) ${references.more}`.trim(),
  ];
}

/** Null: the table is not there any more. */
export function statementSql(statement: Statement, script: Script): string | null {
  if (statement.op === 'truncate') {
    const names = statement.tables.flatMap((id) => script.tables.filter((table) => table.id === id).map(qualified));
    if (names.length === 0) return null;
    return `TRUNCATE ${names.join(', ')}${statement.restart === true ? ' RESTART IDENTITY' : ''}${statement.cascade === true ? ' CASCADE' : ''}`;
  }
  const table = script.tables.find(({ id }) => id === statement.table);
  if (table === undefined) return null;
  const name = qualified(table);
  switch (statement.op) {
    case 'insert':
    case 'copy':
      return insertSql(statement, name, table);
    case 'update': {
      const set = Object.entries(statement.set).map(([column, value]) => `${ident(column)} = ${literal(value)}`);
      return set.length === 0 ? null : `UPDATE ${name} SET ${set.join(', ')}${whereSql(statement.where, name)}`;
    }
    case 'ddl':
      return statement.sql.replaceAll('%', () => name);
    case 'delete':
      return `DELETE FROM ${name}${whereSql(statement.where, name)}`;
    case 'bulk': {
      const columns = Object.keys(statement.row);
      return `INSERT INTO ${name} (${columns.map(ident).join(', ')}) ${overriding(table)}SELECT ${columns.map((column) => literal(statement.row[column]!)).join(', ')} FROM generate_series(1, ${statement.count}) i${table.keys.some(({ deferrable }) => deferrable !== undefined) ? '' : ' ON CONFLICT DO NOTHING'}`;
    }
  }
}

const overriding = (table: Table): string =>
  table.columns.some((column) => column.identity === 'ALWAYS') ? 'OVERRIDING SYSTEM VALUE ' : '';

function insertSql(statement: Statement & { op: 'insert' | 'copy' }, name: string, table: Table): string {
  const columns = [...new Set(statement.rows.flatMap((row) => Object.keys(row)))];
  const rows = statement.rows.map((row) => rowSql(row, columns));
  const into = `INSERT INTO ${name}${columns.length === 0 ? '' : ` (${columns.map(ident).join(', ')})`}`;
  const values = columns.length === 0 ? 'DEFAULT VALUES' : `${overriding(table)}VALUES\n  ${rows.join(',\n  ')}`;
  const conflict = statement.op === 'insert' ? statement.conflict : undefined;
  if (conflict === undefined) return `${into} ${values}`;
  if (conflict.do === 'nothing') return `${into} ${values} ON CONFLICT DO NOTHING`;
  const set = conflict.set.map((column) => `${ident(column)} = excluded.${ident(column)}`);
  return `${into} ${values} ON CONFLICT (${conflict.columns.map(ident).join(', ')}) DO UPDATE SET ${set.join(', ')}`;
}

const rowSql = (row: Row, columns: readonly string[]): string =>
  `(${columns.map((column) => (column in row ? literal(row[column]!) : 'DEFAULT')).join(', ')})`;

function whereSql(where: Where, name: string): string {
  if ('all' in where) return '';
  if ('first' in where)
    return ` WHERE (tableoid, ctid) IN (SELECT tableoid, ctid FROM ${name} ORDER BY tableoid, ctid LIMIT ${where.first} OFFSET ${where.skip})`;
  const parts = Object.entries(where.equal).map(([column, value]) =>
    value === null ? `${ident(column)} IS NULL` : `${ident(column)} = ${literal(value)}`,
  );
  return parts.length === 0 ? '' : ` WHERE ${parts.join(' AND ')}`;
}
