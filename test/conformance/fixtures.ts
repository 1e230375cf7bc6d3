import type { Change, StreamBatch, TransactionInfo } from '../../core/api/change.ts';
import type { Cell, PartialTuple, Tuple } from '../../core/postgres/tuple.ts';
import type { PluginContext } from '../../core/api/context.ts';
import type { CommitLsn, RecordLsn } from '../../core/postgres/lsn.ts';
import type { TablePlan } from '../../core/api/plan.ts';
import type { Column, Relation } from '../../core/postgres/relation.ts';
import type { RowCopy } from '../../core/api/snapshot.ts';

const INT4 = 23;
const TEXT = 25;

function column(name: string, type: number, typeName: string, notNull: boolean): Column {
  return {
    name,
    type,
    typmod: -1,
    typeName,
    typeKind: 'base',
    baseType: type,
    notNull,
    generated: 'never',
    identity: 'never',
    binarySafe: true,
  };
}

/** The table of the suite: `id integer primary key, name text, note text`. */
export function sampleRelation(schema: string, name: string): Relation {
  return {
    oid: 16_999,
    schema,
    name,
    kind: 'table',
    columns: [
      column('id', INT4, 'integer', true),
      column('name', TEXT, 'text', false),
      column('note', TEXT, 'text', false),
    ],
    identity: { kind: 'key', positions: [0] },
    primaryKey: [0],
  };
}

/** The plan of a table that no transform touches, by the rows route. */
export function samplePlan(relation: Relation): TablePlan {
  return {
    source: relation,
    output: relation,
    projection: {
      target: { schema: relation.schema, name: relation.name },
      columns: relation.columns.map(({ name, type, typmod }) => ({
        name,
        expr: { op: 'column', name, type: { oid: type, typmod } },
        from: name,
      })),
      where: null,
    },
    query: {
      select: relation.columns.map(({ name }) => `"${name}"`),
      where: null,
      plain: relation.columns.map(({ name }) => name),
    },
    route: { kind: 'rows', because: 'the conformance suite has rows' },
    tail: null,
    notes: [],
  };
}

/** Rows of one chunk, handed over a few at a time. */
export function rowCopy(relation: Relation, chunk: number, rows: readonly Tuple[]): RowCopy {
  return {
    kind: 'rows',
    chunk: { id: `${relation.schema}.${relation.name}#${chunk}`, relation, range: null, bytes: 1000 },
    rows: (async function* () {
      for (let i = 0; i < rows.length; i += 2) yield await Promise.resolve(rows.slice(i, i + 2));
    })(),
  };
}

/** Makes changes and batches with growing positions, as a stream would. */
export class SampleStream {
  #lsn: bigint;
  #xid = 700;
  readonly #relation: Relation;

  constructor(relation: Relation, from = 0x1000n) {
    this.#relation = relation;
    this.#lsn = from;
  }

  /** A transaction's info; its changes share it. */
  begin(): TransactionInfo {
    this.#lsn += 0x100n;
    this.#xid++;
    const commitTime = 1_700_000_000_000_000n + this.#lsn;
    return { xid: this.#xid, finalLsn: (this.#lsn + 0x80n) as RecordLsn, commitTime, origin: null };
  }

  insert(tx: TransactionInfo, after: Tuple): Change {
    return { kind: 'insert', tx, lsn: ++this.#lsn, relation: this.#relation, after };
  }
  update(tx: TransactionInfo, after: PartialTuple): Change {
    return { kind: 'update', tx, lsn: ++this.#lsn, relation: this.#relation, before: null, after };
  }
  delete(tx: TransactionInfo, id: Cell): Change {
    const before = { image: 'key', tuple: [id, null, null] } as const;
    return { kind: 'delete', tx, lsn: ++this.#lsn, relation: this.#relation, before };
  }
  truncate(tx: TransactionInfo): Change {
    const relations = [this.#relation];
    return { kind: 'truncate', tx, lsn: ++this.#lsn, relations, cascade: false, restartIdentity: false };
  }

  /** A batch that ends with the commit of `tx`; with `open`, it ends inside of it. */
  batch(tx: TransactionInfo, changes: readonly Change[], open = false): StreamBatch {
    const boundary = open ? null : ((tx.finalLsn + 8n) as CommitLsn);
    return {
      changes,
      boundary,
      commitTime: open ? null : tx.commitTime,
      transactions: open ? 0 : 1,
      values: 'text',
      bytes: 100 * changes.length,
    };
  }
}

export function conformanceContext(name: string, directory: string): PluginContext {
  const log: PluginContext['log'] = { child: () => log, log: () => {} };
  const metrics = { count: () => {}, gauge: () => {} };
  return { pipeline: 'conformance', name, directory, log, metrics, debugValues: false };
}
