import type pg from 'pg';
import type { TablesOption } from '../../../core/api/schemas.ts';
import { compilePattern } from '../../../core/api/pattern.ts';
import type { SourceRelations, SourceTable } from '../../../core/api/source.ts';
import { readColumns } from '../../../core/postgres/columns.ts';
import { connect, disconnect } from '../../../core/postgres/connect.ts';
import { kafkaError } from '../errors.ts';

const query = `
  SELECT c.oid, n.nspname, c.relname,
         (SELECT array_to_json(k.conkey)::text FROM pg_constraint k WHERE k.conrelid = c.oid AND k.contype = 'p')
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 't'
    AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast', 'pgsluice')
    AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
  ORDER BY n.nspname COLLATE "C", c.relname COLLATE "C"`;

/** Tables as a database has them: records without schemas say nothing of types. */
export async function readRelations(url: string, name: string, patterns: TablesOption): Promise<SourceRelations> {
  const client = await connect({ url }, { name, applicationName: 'pgsluice tables' });
  try {
    await client.query('SET search_path = pg_catalog');
    const { rows } = await client.query<string[]>({ text: query, rowMode: 'array' } as unknown as pg.QueryArrayConfig);
    const all = rows.map((row) => ({ oid: Number(row[0]), schema: row[1]!, name: row[2]!, key: row[3] ?? null }));
    const matches = (list: readonly string[] | undefined) => {
      const compiled = list?.map(compilePattern);
      return (table: (typeof all)[number]) => compiled?.some((pattern) => pattern(table));
    };
    const [included, left] = [matches(patterns.include), matches(patterns.exclude)];
    const chosen = all.filter((table) => included(table) !== false && left(table) !== true);
    if (chosen.length === 0)
      throw kafkaError('PGS5046', 'the database of tables_from has no table that the file chooses');
    const columns = await readColumns(
      client,
      chosen.map(({ oid }) => oid),
    );
    const tables = chosen.map((table): SourceTable => {
      const of = columns.get(table.oid)!;
      const numbers = table.key === null ? [] : (JSON.parse(table.key) as number[]);
      const positions = numbers.map((number) => of.attnums.indexOf(number));
      const identity = positions.length === 0 ? ({ kind: 'full' } as const) : ({ kind: 'key', positions } as const);
      const { oid, schema, name: table_ } = table;
      const relation = { oid, schema, name: table_, kind: 'table' as const, columns: of.columns, identity };
      return { relation: { ...relation, primaryKey: positions }, bytes: 0, rows: -1, persistence: 'permanent' };
    });
    const excluded = all
      .filter((table) => !chosen.includes(table))
      .map(({ schema, name: of }) => ({ schema, name: of }));
    return { tables, excluded };
  } finally {
    await disconnect(client);
  }
}
