import type { Uncovered } from '../coverage/uncovered.ts';
import type { TableVerdict } from './run-verify.ts';

/** Tables that a comparison found different, in the terms of the list. */
export function differingTables(tables: readonly TableVerdict[]): readonly Uncovered[] {
  return tables
    .filter(({ comparison }) => comparison?.equal === false)
    .map(({ table }) => ({
      name: table,
      kind: 'table',
      why: 'its rows differ',
      remedy: `pgsluice resync FILE ${table}`,
      blocks: true,
    }));
}
