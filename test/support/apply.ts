import type {
  Change,
  DeleteChange,
  InsertChange,
  OldImage,
  StreamBatch,
  TransactionInfo,
  TruncateChange,
  UpdateChange,
} from '../../core/api/change.ts';
import type { PartialTuple, Tuple } from '../../core/postgres/tuple.ts';
import type { PluginContext } from '../../core/api/context.ts';
import type { LogLevel } from '../../core/base/logger.ts';
import type { DeadLetters } from '../../core/api/dead-letter.ts';
import type { CommitLsn, RecordLsn } from '../../core/postgres/lsn.ts';
import type { Column, Relation } from '../../core/postgres/relation.ts';
import type { StreamSink } from '../../core/api/sink.ts';
import { connect, disconnect } from '../../core/postgres/connect.ts';
import { SessionStream } from '../../plugins/sink-postgres/apply/stream-sink.ts';

/** Changes as a stream would bring them, made by hand: for tests and benchmarks of a stream sink. */
export const never = new AbortController().signal;

export interface LogLine {
  readonly level: LogLevel;
  readonly event: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

export function contextFor(lines: LogLine[] = []): PluginContext {
  const log = {
    child: () => log,
    log: (level: LogLevel, event: string, _message: string, fields = {}) => void lines.push({ level, event, fields }),
  };
  return {
    pipeline: 'p',
    name: 'postgres',
    directory: '.',
    log,
    metrics: { count() {}, gauge() {} },
    debugValues: false,
  };
}

export function sinkFor(
  url: string,
  more: {
    onMissing?: 'error' | 'warn' | 'upsert';
    lines?: LogLine[];
    pipeline?: string;
    deadLetters?: DeadLetters;
  } = {},
): StreamSink & AsyncDisposable {
  return new SessionStream({
    connection: { url },
    pipeline: more.pipeline ?? 'p',
    name: 'postgres',
    options: { onMissing: more.onMissing ?? 'error' },
    context: { ...contextFor(more.lines), ...(more.deadLetters && { deadLetters: more.deadLetters }) },
  });
}

/** Rows as the server's text, in the settings of every session of ours. */
export async function textRows(url: string, sql: string): Promise<Tuple[]> {
  const client = await connect({ url }, { name: 'test', applicationName: 'test' });
  try {
    await client.query('SET search_path = public');
    return (await client.query({ text: sql, rowMode: 'array' })).rows as unknown as Tuple[];
  } finally {
    await disconnect(client);
  }
}

/** A table's shape as the source would tell it. */
export async function relationOf(
  url: string,
  schema: string,
  name: string,
  identity?: Relation['identity'],
): Promise<Relation> {
  const rows = await textRows(
    url,
    `WITH RECURSIVE x AS (SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
       WHERE n.nspname = '${schema.replaceAll("'", "''")}' AND c.relname = '${name.replaceAll("'", "''")}')
     SELECT a.attname, a.atttypid, a.atttypmod, format_type(a.atttypid, a.atttypmod), a.attnotnull,
       CASE WHEN t.typtype = 'd' THEN t.typbasetype ELSE t.oid END, a.attidentity, x.oid,
       coalesce(array_position(i.indkey::int2[], a.attnum) + 1, 0)
     FROM x JOIN pg_attribute a ON a.attrelid = x.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
     JOIN pg_type t ON t.oid = a.atttypid LEFT JOIN pg_index i ON i.indrelid = x.oid AND i.indisprimary
     ORDER BY a.attnum`,
  );
  const columns = rows.map(
    ([column, type, typmod, typeName, notNull, base, kind]): Column => ({
      name: column as string,
      type: Number(type),
      typmod: Number(typmod),
      typeName: typeName as string,
      typeKind: 'base',
      baseType: Number(base),
      notNull: notNull === 't',
      generated: 'never',
      identity: kind === 'a' ? 'always' : kind === 'd' ? 'default' : 'never',
      binarySafe: false,
    }),
  );
  const primaryKey = rows
    .map((row, i) => [Number(row[8]), i] as const)
    .filter(([order]) => order > 0)
    .sort((a, b) => a[0] - b[0])
    .map(([, i]) => i);
  const chosen: Relation['identity'] =
    identity ?? (primaryKey.length > 0 ? { kind: 'key', positions: primaryKey } : { kind: 'full' });
  return { oid: Number(rows[0]?.[7] ?? 0), schema, name, kind: 'table', columns, identity: chosen, primaryKey };
}

/** Makes batches with growing positions. */
export class Feed {
  #lsn: bigint;
  #xid = 700;

  constructor(from = 0x1000n) {
    this.#lsn = from;
  }

  get last(): CommitLsn {
    return this.#lsn as CommitLsn;
  }

  /** A batch of the changes; ends at a commit unless `open`. */
  batch(changes: readonly Change[], open = false): StreamBatch {
    this.#lsn += 0x100n;
    return {
      changes,
      boundary: open ? null : (this.#lsn as CommitLsn),
      commitTime: open ? null : 1_700_000_000_000_000n,
      transactions: open ? 0 : 1,
      bytes: changes.length * 100,
      values: 'text',
    };
  }

  #in(): { tx: TransactionInfo; lsn: bigint } {
    this.#lsn += 8n;
    const tx = { xid: this.#xid++, finalLsn: (this.#lsn + 4n) as RecordLsn, commitTime: 0n, origin: null };
    return { tx, lsn: this.#lsn };
  }

  insert(relation: Relation, after: Tuple): InsertChange {
    return { kind: 'insert', relation, after, ...this.#in() };
  }

  update(relation: Relation, after: PartialTuple, before: OldImage | null = null): UpdateChange {
    return { kind: 'update', relation, after, before, ...this.#in() };
  }

  delete(relation: Relation, tuple: Tuple, image: OldImage['image'] = 'key'): DeleteChange {
    return { kind: 'delete', relation, before: { image, tuple }, ...this.#in() };
  }

  truncate(relations: readonly Relation[], restartIdentity = false, cascade = false): TruncateChange {
    return { kind: 'truncate', relations, restartIdentity, cascade, ...this.#in() };
  }
}

export const key = (...tuple: Tuple): OldImage => ({ image: 'key', tuple });
export const full = (...tuple: Tuple): OldImage => ({ image: 'full', tuple });
