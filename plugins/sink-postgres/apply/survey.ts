import type { Change } from '../../../core/api/change.ts';
import type { Relation } from '../../../core/postgres/relation.ts';

/** Position of the first change that carries DDL; -1: none does. */
export function nextSchema(changes: readonly Change[]): number {
  for (let i = 0; i < changes.length; i++) {
    const change = changes[i] as Change;
    if (change.kind === 'message' && change.schema !== undefined) return i;
  }
  return -1;
}

/** The relations of these changes, each once. */
export function relationsOf(changes: readonly Change[]): Set<Relation> {
  const found = new Set<Relation>();
  let last: Relation | null = null;
  for (const change of changes) {
    if (change.kind === 'message') continue;
    if (change.kind === 'truncate') for (const relation of change.relations) found.add(relation);
    else if (change.relation !== last) {
      last = change.relation;
      found.add(last);
    }
  }
  return found;
}

/** Relations of these changes of which nothing is known. */
export function unseenIn(changes: readonly Change[], known: ReadonlyMap<Relation, unknown>): Set<Relation> {
  const unseen = relationsOf(changes);
  for (const relation of unseen) if (known.has(relation)) unseen.delete(relation);
  return unseen;
}
