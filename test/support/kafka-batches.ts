import type { Change, StreamBatch, TransactionInfo } from '../../core/api/change.ts';
import type { PluginContext } from '../../core/api/context.ts';
import type { CommitLsn, RecordLsn, SnapshotLsn } from '../../core/postgres/lsn.ts';
import type { TablePlan } from '../../core/api/plan.ts';
import type { Column, Identity, Relation } from '../../core/postgres/relation.ts';
import type { RowCopy } from '../../core/api/snapshot.ts';
import { withDefaults } from '../../core/base/options.ts';
import type { Tuple } from '../../core/postgres/tuple.ts';
import { type KafkaOptions, kafkaOptions } from '../../plugins/sink-kafka/options.ts';

/** The sink's options as the file's parser gives them. */
export function kafkaOptionsOf(given: Partial<KafkaOptions>): KafkaOptions {
  return withDefaults(kafkaOptions, { brokers: ['x'], ...given });
}

/** Hand-made relations, batches and plans, for sinks that are driven without a source. */
export function column(name: string, type: number, more: Partial<Column> & { typeName?: string } = {}): Column {
  return {
    name,
    type,
    typmod: -1,
    typeName: 'text',
    typeKind: 'base',
    baseType: more.type ?? type,
    notNull: false,
    generated: 'never',
    identity: 'never',
    binarySafe: true,
    ...more,
  };
}

export function relation(
  name: string,
  columns: readonly Column[],
  more: { schema?: string; identity?: Identity; primaryKey?: readonly number[] } = {},
): Relation {
  const primaryKey = more.primaryKey ?? [0];
  return {
    oid: 16384,
    schema: more.schema ?? 'public',
    name,
    kind: 'table',
    columns,
    identity: more.identity ?? { kind: 'key', positions: primaryKey },
    primaryKey,
  };
}

/** `id int8 primary key, note text`. */
export function notes(name = 'notes'): Relation {
  return relation(name, [column('id', 20, { notNull: true }), column('note', 25)]);
}

export function transaction(number: number, at = 0x1000n + BigInt(number) * 0x100n): TransactionInfo {
  return {
    xid: 700 + number,
    finalLsn: at as RecordLsn,
    commitTime: 1_767_323_045_123_456n + BigInt(number),
    origin: null,
  };
}

export function insert(of: Relation, tx: TransactionInfo, after: Tuple, lsn = tx.finalLsn - 16n): Change {
  return { kind: 'insert', relation: of, tx, lsn, after };
}

/** A batch that ends at the commit of its last transaction; `open`: it ends within it. */
export function batch(changes: readonly Change[], end: { open?: boolean } = {}): StreamBatch {
  const last = changes.at(-1)?.tx;
  const closed = end.open !== true && last !== undefined;
  return {
    changes,
    boundary: closed ? ((last.finalLsn + 8n) as CommitLsn) : null,
    commitTime: closed ? last.commitTime : null,
    transactions: closed ? new Set(changes.map((change) => change.tx)).size : 0,
    bytes: changes.length * 100,
    values: 'text',
  };
}

export function plan(of: Relation): TablePlan {
  return {
    source: of,
    output: of,
    projection: { target: { schema: of.schema, name: of.name }, columns: [], where: null },
    query: { select: [], where: null, plain: null },
    route: { kind: 'rows', because: 'test' },
    tail: null,
    notes: [],
  };
}

export function rowCopy(of: Relation, rows: readonly Tuple[], number = 0): RowCopy {
  return {
    kind: 'rows',
    chunk: { id: `${of.schema}.${of.name}#${number}`, relation: of, range: null, bytes: rows.length * 100 },
    rows: (async function* () {
      for (let at = 0; at < rows.length; at += 100) yield rows.slice(at, at + 100);
    })(),
    at: { lsn: 0x900n as SnapshotLsn, takenAt: 1_767_323_000_000_001n },
  };
}

export function context(pipeline: string, directory = '.'): PluginContext {
  const log = { child: () => log, log: () => {} };
  return { pipeline, name: 'kafka', directory, log, metrics: { count: () => {}, gauge: () => {} }, debugValues: false };
}

export const never = new AbortController().signal;
