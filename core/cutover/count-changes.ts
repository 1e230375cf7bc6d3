import type { ChangeMapper } from '../api/plan.ts';

/** Counts what comes through mappers: every change of a published table, whether a filter keeps it or not. */
export interface Counted {
  readonly mappers: ReadonlyMap<string, ChangeMapper>;
  changes(): number;
}

const rows: ReadonlySet<string> = new Set(['insert', 'update', 'delete', 'truncate']);

export function countChanges(mappers: ReadonlyMap<string, ChangeMapper>): Counted {
  let seen = 0;
  const counting = new Map<string, ChangeMapper>();
  for (const [sink, mapper] of mappers) {
    counting.set(sink, {
      map: (changes) => {
        for (const change of changes) if (rows.has(change.kind)) seen++;
        return mapper.map(changes);
      },
    });
  }
  return { mappers: counting, changes: () => seen };
}
