import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Contender, Sample } from '../support/rounds.ts';
import type { Field } from './field.ts';
import { marker } from './workloads.ts';

/**
 * What the target alone needs for the same net changes: one statement a table by hand, from rows that lie there sorted by key, in one
 * transaction. Getting the rows there is not counted, full-page images and the flush at the commit are. Nobody who applies changes row by
 * row as they come can be faster.
 */
export function floor(field: Field): Contender {
  const run = () =>
    field.on('bench_floor', async (database): Promise<Sample> => {
      const query = <T extends object>(sql: string) => field.target.query<T & Record<string, unknown>>(sql, database);
      const statements: string[] = [];
      for (const table of [...field.workload.tables, marker]) {
        await stage(field, table, query);
        statements.push(...(await written(table, query)));
      }
      await query('CHECKPOINT');
      const from = performance.now();
      await query(`BEGIN; ${statements.join('; ')}; COMMIT`);
      const seconds = (performance.now() - from) / 1000;
      return { stream: seconds, visible: seconds };
    });
  return { name: 'floor', what: "the backlog's net changes, one statement a table by hand, on the target alone", run };
}

type Query = <T extends object>(sql: string) => Promise<(T & Record<string, unknown>)[]>;

/** The rows of the source that the backlog wrote, as they are at its end. Both servers are on this machine. */
async function stage(field: Field, table: string, query: Query): Promise<void> {
  const file = join(tmpdir(), `pgsluice-floor-${process.pid}-${table}`);
  await field.source.query(
    `COPY (SELECT * FROM ${table} WHERE xmin::text::bigint >= ${field.firstXid}) TO '${file}' (FORMAT binary)`,
    'start',
  );
  const key = await keyOf(table, query);
  const order = key.length === 0 ? '' : ` ORDER BY ${key.join(', ')}`;
  await query(`CREATE TABLE came (LIKE ${table}); COPY came FROM '${file}' (FORMAT binary);
    CREATE TABLE floor_${table} AS SELECT * FROM came${order}; DROP TABLE came; ANALYZE floor_${table}`);
  await rm(file, { force: true });
}

async function keyOf(table: string, query: Query): Promise<readonly string[]> {
  const rows = await query<{ name: string }>(
    `SELECT a.attname AS name FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
     WHERE i.indrelid = '${table}'::regclass AND i.indisprimary`,
  );
  return rows.map(({ name }) => name);
}

async function written(table: string, query: Query): Promise<readonly string[]> {
  const key = await keyOf(table, query);
  if (key.length === 0) return [`INSERT INTO ${table} SELECT * FROM floor_${table}`];
  const columns = await query<{ name: string }>(
    `SELECT attname AS name FROM pg_attribute WHERE attrelid = '${table}'::regclass AND attnum > 0 AND NOT attisdropped`,
  );
  const set = columns.filter(({ name }) => !key.includes(name)).map(({ name }) => `${name} = s.${name}`);
  const same = key.map((name) => `t.${name} = s.${name}`).join(' AND ');
  const update =
    set.length === 0 ? [] : [`UPDATE ${table} t SET ${set.join(', ')} FROM floor_${table} s WHERE ${same}`];
  const inserts = `INSERT INTO ${table} SELECT s.* FROM floor_${table} s WHERE NOT EXISTS (SELECT FROM ${table} t WHERE ${same})`;
  return [...update, inserts];
}
