import type { ChangeMapper } from '../api/plan.ts';

/** Counts what comes through mappers: every change of a published table, whether a filter keeps it or not. */
export interface Counted {
  readonly mappers: ReadonlyMap<string, ChangeMapper>;
  changes(): number;
}

export function countChanges(mappers: ReadonlyMap<string, ChangeMapper>): Counted {
  let seen = 0;
  const counting = new Map<string, ChangeMapper>();
  for (const [sink, mapper] of mappers) {
    counting.set(sink, {
      map: (changes) => {
        for (const change of changes) if (change.kind !== 'message') seen++;
        return mapper.map(changes);
      },
    });
  }
  return { mappers: counting, changes: () => seen };
}
