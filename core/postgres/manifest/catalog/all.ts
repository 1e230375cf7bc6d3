import { codeQueries } from './code.ts';
import { databaseQueries } from './database.ts';
import type { KindQuery } from './kind-query.ts';
import { relationQueries } from './relations.ts';
import { searchQueries } from './search.ts';
import { tablePartQueries } from './table-parts.ts';
import { typeQueries } from './types.ts';

/** Every query of a manifest for a major version; asks for no column that the version does not have. */
export function catalogQueries(major: number): readonly KindQuery[] {
  return [
    ...databaseQueries(major),
    ...typeQueries,
    ...codeQueries(major),
    ...searchQueries,
    ...relationQueries(major),
    ...tablePartQueries,
  ];
}
