import { type PartialTuple, UNCHANGED } from '../../postgres/tuple.ts';
import type { Json } from '../../api/checkpoint.ts';
import type { DeadLetter, Refused } from '../../api/dead-letter.ts';
import { formatLsn } from '../../postgres/lsn.ts';
import { type Relation, relationName } from '../../postgres/relation.ts';

/** Where a letter comes from, and when it was written. */
export interface Sender {
  readonly pipeline: string;
  readonly sink: string;
  readonly at: Date;
}

/**
 * A letter as JSON: the reason, the place in the source's WAL, and the change as the sink received it, after the
 * transforms. Values are the server's text or null; docs/dead-letters.md describes every member.
 */
export function letterOf({ change, error, record }: Refused, { pipeline, sink, at }: Sender): DeadLetter {
  const { relation } = change;
  const body = {
    pipeline,
    sink,
    at: at.toISOString(),
    code: error.code,
    ...(error.where.sqlstate === undefined ? {} : { sqlstate: error.where.sqlstate }),
    message: error.message,
    op: change.kind,
    schema: relation.schema,
    table: relation.name,
    key: keyColumns(relation),
    ...('tx' in change
      ? {
          lsn: formatLsn(change.lsn),
          commit_lsn: formatLsn(change.tx.finalLsn),
          xid: change.tx.xid,
          commit_time: new Date(Number(change.tx.commitTime / 1000n)).toISOString(),
        }
      : {}),
    ...images(change),
    ...(record === undefined ? {} : { record }),
  };
  return { sink, table: relationName(relation), code: error.code, json: JSON.stringify(body) };
}

function images(change: Refused['change']): { readonly [key: string]: Json } {
  const { relation } = change;
  const { before } = 'before' in change ? change : { before: null };
  const old = before === null ? null : members(relation, before.tuple, before.image === 'key');
  if (change.kind === 'delete') return { before: old, after: null };
  const unchanged = relation.columns.filter((_, i) => (change.after[i] as unknown) === UNCHANGED);
  return {
    before: old,
    after: members(relation, change.after, false),
    ...(unchanged.length === 0 ? {} : { unchanged: unchanged.map(({ name }) => name) }),
  };
}

/**
 * Values by column; values that were not sent are left out (I7), and columns outside the key if only the key was sent.
 */
function members(relation: Relation, tuple: PartialTuple, onlyKey: boolean): Json {
  const { identity } = relation;
  const inKey = identity.kind === 'key' ? new Set(identity.positions) : null;
  const entries: [string, string | null][] = [];
  for (const [i, { name }] of relation.columns.entries()) {
    const cell = tuple[i];
    if (cell === undefined || cell === UNCHANGED || (onlyKey && inKey?.has(i) === false)) continue;
    entries.push([name, cell]);
  }
  return Object.fromEntries(entries);
}

function keyColumns({ identity, primaryKey, columns }: Relation): readonly string[] {
  const positions = identity.kind === 'key' ? identity.positions : primaryKey;
  return positions.map((i) => columns[i]?.name ?? '');
}
