import type pg from 'pg';
import type { Column } from '../../core/postgres/relation.ts';
import type { SinkTraits } from '../../core/api/sink.ts';
import { readColumns } from '../../core/postgres/columns.ts';
import { type PostgresSinkOptions, schemaMode } from './options.ts';
import type { Sessions } from './sessions.ts';

/** `letters`: changes may be written as dead letters, whose format is text. */
export async function readTraits(
  sessions: Sessions,
  options: PostgresSinkOptions,
  letters: boolean,
): Promise<SinkTraits> {
  const { version } = await sessions.powers();
  const create = schemaMode(options) === 'create';
  return {
    rawFormats: ['binary', 'text'],
    // Before 17 the bytes of an infinite interval mean a number of years.
    textOnly: version < 170_000 ? [1186, 1187] : [],
    needsKey: true,
    existing: create ? null : await sessions.query(readExisting),
    // Lanes by key hash the text of keys.
    binaryStream: !letters && (options.apply.lanes === 1 || options.apply.by !== 'key'),
    keepsPosition: true,
    messages: false,
    schemaChanges: true,
    leavesDependents: options.dependents === 'cascade',
  };
}

async function readExisting(client: pg.Client): Promise<ReadonlyMap<string, readonly Column[]>> {
  const { rows } = await client.query<{ oid: string; name: string }>(
    `SELECT c.oid, n.nspname || '.' || c.relname AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relkind IN ('r', 'p', 'f') AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_' AND n.nspname <> 'pgsluice'`,
  );
  const columns = await readColumns(
    client,
    rows.map((row) => Number(row.oid)),
  );
  return new Map(rows.map((row) => [row.name, columns.get(Number(row.oid))!.columns]));
}
