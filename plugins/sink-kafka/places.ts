import type { RowChange } from '../../core/api/change.ts';
import { formatLsn } from '../../core/postgres/lsn.ts';
import { type Relation, relationName } from '../../core/postgres/relation.ts';
import type { PartialTuple, Tuple } from '../../core/postgres/tuple.ts';
import type { Target } from './client/producer.ts';
import { kafkaError } from './errors.ts';
import type { Headers, Side } from './records/events.ts';
import { completed } from './records/row.ts';
import type { TopicRoute, Router } from './router.ts';

/** Where the records of one change go. */
export interface Places {
  target(of: Side): Target;
  /** With those that come from the row; what the record says itself counts. */
  headers(of: Side, own: Headers | null): Headers | null;
  /** The new row goes elsewhere than the old one. */
  readonly moved: boolean;
}

/** Of tables whose rows all go to one place. */
export function fixedPlaces(topic: Target): Places {
  return { target: () => topic, headers: (_, own) => own, moved: false };
}

/** Finds or makes the topics of both rows. Throws what the table's expressions say. */
export async function placesOf(change: RowChange, route: TopicRoute, router: Router): Promise<Places> {
  const { byRow, topic } = route;
  if (byRow === null) return fixedPlaces(topic as Target);
  const before = change.kind === 'insert' ? null : change.before;
  const after = change.kind === 'delete' ? null : afterOf(change, identityOf(change.relation));
  const old = before === null ? null : await router.target(route, before.tuple, route.format);
  const now = after === null ? null : await router.target(route, after, route.format);
  if (old === null && change.kind === 'update' && change.relation.identity.kind !== 'key') {
    throw kafkaError('PGS5060', 'an UPDATE came without the old row', {
      where: { table: relationName(change.relation), lsn: formatLsn(change.lsn) },
    });
  }
  const known = before?.image === 'key' ? new Set(identityOf(change.relation)) : null;
  const headersOf = { old: null as Headers | null, new: null as Headers | null };
  if (byRow.headers !== null) {
    if (before !== null) headersOf.old = byRow.headers(before.tuple, known);
    if (after !== null) headersOf.new = byRow.headers(after, null);
  }
  const targets = { old: old ?? now, new: now ?? old };
  return {
    target: (of) => targets[of] as Target,
    headers: (of, own) => (headersOf[of] === null ? own : { ...headersOf[of], ...own }),
    moved: old !== null && now !== null && (old.name !== now.name || old.partition !== now.partition),
  };
}

/** Of a row of the snapshot. */
export async function readPlaces(row: Tuple, route: TopicRoute, router: Router): Promise<Places> {
  if (route.byRow === null) return fixedPlaces(route.readingTopic as Target);
  const target = await router.target(route, row, route.reading);
  const headers = route.byRow.headers?.(row, null) ?? null;
  return { target: () => target, headers: (_, own) => (headers === null ? own : { ...headers, ...own }), moved: false };
}

function identityOf({ identity, primaryKey }: Relation): readonly number[] {
  return identity.kind === 'key' ? identity.positions : primaryKey;
}

function afterOf(change: Exclude<RowChange, { kind: 'delete' }>, key: readonly number[]): PartialTuple {
  return change.kind === 'insert' ? change.after : completed(change.after, change.before, key);
}
