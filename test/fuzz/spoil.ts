import { ident } from './print.ts';
import { ask, type Side } from './sides.ts';

/** Changes one row of the target behind the product's back. Returns what was done, null where there is no row. */
export async function spoil(target: Side, number: number): Promise<string | null> {
  const [tables] = await ask(target, [
    `SELECT c.oid::regclass::text, (SELECT count(*) FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped)::text
     FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relkind = 'r' AND n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'pgsluice') ORDER BY c.oid`,
  ]);
  for (let i = 0; i < tables!.length; i++) {
    const [table, columns] = tables![(number + i) % tables!.length]!;
    if (columns === '0') continue;
    for (const sql of await changes(target, table!, number)) {
      const done = await target.server
        .query(`SET session_replication_role = replica; ${sql}`, target.database)
        .catch(() => []);
      if (done.length > 0) return sql;
    }
  }
  return null;
}

/** A row that goes, or a value that changes; the first that works is done. */
async function changes(target: Side, table: string, number: number): Promise<readonly string[]> {
  const [columns] = await ask(target, [
    `SELECT attname, atttypid::regtype::text FROM pg_attribute
     WHERE attrelid = '${table.replaceAll("'", "''")}'::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
     AND atttypid IN ('text'::regtype, 'int4'::regtype, 'int8'::regtype, 'bool'::regtype) ORDER BY attnum`,
  ]);
  const where = `WHERE ctid = (SELECT ctid FROM ONLY ${table} ORDER BY ctid LIMIT 1 OFFSET ${number % 3}) RETURNING 1`;
  const remove = `DELETE FROM ONLY ${table} ${where}`;
  const column = columns![number % Math.max(1, columns!.length)];
  if (column === undefined) return [remove];
  const name = ident(column[0]!);
  const other =
    { text: `concat(${name}, 'x')`, boolean: `${name} IS NOT TRUE` }[column[1]!] ?? `coalesce(${name}, 0) - 1`;
  const change = `UPDATE ONLY ${table} SET ${name} = ${other} ${where}`;
  return number % 2 === 0 ? [change, remove] : [remove, change];
}
