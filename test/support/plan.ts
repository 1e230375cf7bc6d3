import type { PgsluiceError } from '../../core/base/error.ts';
import type { RowChange, TransactionInfo } from '../../core/api/change.ts';
import type { Cell, Tuple } from '../../core/postgres/tuple.ts';
import type { RecordLsn } from '../../core/postgres/lsn.ts';
import type { Column, Identity, Relation } from '../../core/postgres/relation.ts';
import type { SinkTraits } from '../../core/api/sink.ts';
import type { Transform } from '../../core/api/transform.ts';
import { typeFromName } from '../../core/expr/cast.ts';
import { typeInfo } from '../../core/expr/types.ts';
import type { PlanInput, PlanStep } from '../../core/pipeline/plan/types.ts';
import { formatType } from '../../core/expr/typing.ts';

/** A column from its SQL type; `mood` is an enum of the user, `loose` a domain over text. */
export function column(name: string, type: string, more: Partial<Column> = {}): Column {
  const base = { name, notNull: false, generated: 'never', identity: 'never', typmod: -1 } as const;
  if (type === 'mood') {
    const own = {
      type: 20_001,
      baseType: 20_001,
      typeName: 'public.mood',
      typeKind: 'enum',
      binarySafe: false,
    } as const;
    return { ...base, ...own, ...more };
  }
  if (type === 'loose') {
    const own = { type: 20_002, baseType: 25, typeName: 'public.loose', typeKind: 'domain', binarySafe: true } as const;
    return { ...base, ...own, ...more };
  }
  const sql = typeFromName(type);
  const array = typeInfo(sql.oid) === undefined;
  return {
    ...base,
    type: sql.oid,
    baseType: sql.oid,
    typmod: sql.typmod,
    typeName: formatType(sql),
    typeKind: array ? 'array' : 'base',
    binarySafe: true,
    ...more,
  };
}

let nextOid = 16_500;

/** `relation('public.t', 'id integer key, body text')`; `generated` after the type makes a generated column. */
export function relation(name: string, columns: string, identity?: Identity['kind']): Relation {
  const [schema, table] = name.split('.') as [string, string];
  const parts = columns.split(/,(?![^(]*\))/).map((part) => part.trim());
  const keys: number[] = [];
  const made = parts.map((part, at) => {
    const [, columnName, type, mark] = /^(\S+) (.*?)( key| generated)?$/.exec(part) as unknown as [
      string,
      string,
      string,
      string?,
    ];
    if (mark === ' key') keys.push(at);
    return column(columnName, type, mark === ' generated' ? { generated: 'stored' } : { notNull: mark === ' key' });
  });
  const kind = identity ?? (keys.length > 0 ? 'key' : 'nothing');
  return {
    oid: nextOid++,
    schema,
    name: table,
    kind: 'table',
    columns: made,
    identity: kind === 'key' ? { kind, positions: keys } : { kind },
    primaryKey: keys,
  };
}

export const postgresTraits: SinkTraits = {
  rawFormats: ['text', 'binary'],
  needsKey: true,
  existing: null,
  messages: false,
};
export const kafkaTraits: SinkTraits = { rawFormats: [], needsKey: false, existing: null, messages: true };

export function step(transform: Transform, tables: readonly string[] | null = null, label = transform.name): PlanStep {
  return { transform, tables, label };
}

export function planInput(
  tables: readonly Relation[],
  steps: readonly PlanStep[],
  more: Partial<Omit<PlanInput, 'sink'>> & { readonly traits?: SinkTraits; readonly only?: readonly string[] } = {},
): PlanInput {
  const { traits = postgresTraits, only = null, ...rest } = more;
  return {
    tables: tables.map((each) => ({ relation: each, bytes: 8192, rows: 10, persistence: 'permanent' })),
    steps,
    sink: { name: 'target', tables: only, traits },
    sourceVersion: 170_000,
    streaming: true,
    ...rest,
  };
}

export const transaction: TransactionInfo = { xid: 7, finalLsn: 0x10n as RecordLsn, commitTime: 0n, origin: null };

export function inserted(of: Relation, after: Tuple, lsn = 0x20n): RowChange {
  return { kind: 'insert', tx: transaction, lsn, relation: of, after };
}
export function updated(of: Relation, after: readonly unknown[], before: Before = null): RowChange {
  return { kind: 'update', tx: transaction, lsn: 0x20n, relation: of, before: image(before), after: after as Tuple };
}
export function deleted(of: Relation, before: NonNullable<Before>): RowChange {
  return { kind: 'delete', tx: transaction, lsn: 0x20n, relation: of, before: image(before) as never };
}

export type Before = { readonly key: readonly Cell[] } | { readonly full: readonly Cell[] } | null;

function image(before: Before) {
  if (before === null) return null;
  return 'key' in before
    ? ({ image: 'key', tuple: before.key } as const)
    : ({ image: 'full', tuple: before.full } as const);
}

/** A change in few words, for comparisons: `update (1,b) maybe`. */
export function brief(change: RowChange): string {
  const show = (cells: readonly unknown[]) =>
    `(${cells.map((cell) => (cell === null ? 'null' : typeof cell === 'symbol' ? '~' : String(cell))).join(',')})`;
  const before =
    change.kind === 'insert' || change.before === null ? '' : ` ${change.before.image}${show(change.before.tuple)}`;
  const after = change.kind === 'delete' ? '' : ` ${show(change.after)}`;
  const maybe = change.kind !== 'insert' && change.maybe === true ? ' maybe' : '';
  return `${change.kind}${before}${after}${maybe}`;
}

/** The message as it is printed: behind the part of the file that it is about. */
export function messageOf({ message, where }: Pick<PgsluiceError, 'message' | 'where'>): string {
  return where.step === undefined ? message : `${where.step}: ${message}`;
}
