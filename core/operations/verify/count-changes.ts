import type { ChangeMapper } from '../../api/plan.ts';

const rows: ReadonlySet<string> = new Set(['insert', 'update', 'delete', 'truncate']);

/** Counts what comes through mappers: every change of a published table, whether a filter keeps it or not. */
export class ChangeCount {
  seen = 0;

  counting(mapper: ChangeMapper): ChangeMapper {
    return {
      map: (changes, values) => {
        for (const change of changes) if (rows.has(change.kind)) this.seen++;
        return mapper.map(changes, values);
      },
    };
  }
}
