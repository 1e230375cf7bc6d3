import type pg from 'pg';
import { serviceSchemas } from '../services.ts';
import { compilePattern } from '../../../core/api/pattern.ts';
import { type Oid, relationName } from '../../../core/postgres/relation.ts';
import type { TablesOption } from '../../../core/api/schemas.ts';
import { sourceError } from '../errors.ts';
import type { SourceParent } from '../../../core/api/source.ts';
import { suggest } from '../../../core/base/suggest.ts';
import type { CatalogTable } from './tables.ts';

export interface Choice {
  /** Plain tables and leaf partitions to copy. */
  readonly chosen: readonly CatalogTable[];
  /** Tables that are left out: tables, foreign tables, and partitioned tables without a chosen leaf. */
  readonly excluded: readonly CatalogTable[];
  /** Foreign tables that the patterns choose: their rows are elsewhere. */
  readonly foreign: readonly CatalogTable[];
  /** Partitioned tables with a chosen leaf. */
  readonly parents: readonly SourceParent[];
}

/** The properties of a table that choosing depends on. */
export type Choosable = Pick<CatalogTable, 'oid' | 'schema' | 'name' | 'parent' | 'inherits'> & {
  /** Belongs to the managed service: chosen only if a pattern of `include` matches it. */
  readonly service?: boolean;
};

/**
 * Applies the file's globs. A pattern that matches a partitioned table applies to all its leaves (include and exclude
 * alike); one that matches a table applies to its inheriting tables, too, unless those are excluded by themselves. One
 * error lists every pattern without a match (PGS2101).
 */
export function chooseTables(tables: readonly CatalogTable[], patterns: TablesOption): Choice {
  const { include, exclude } = globsOf(patterns);
  refuseUnmatched(
    tables,
    [...(patterns.include === undefined ? [] : include), ...exclude].filter(({ test }) => !tables.some(test)),
  );
  const kept = chosenOids(tables, patterns);
  const chosen = tables.filter((table) => table.relkind === 'r' && kept.has(table.oid));
  const lines = ancestry(tables);
  const foreign = tables.filter((table) => table.relkind === 'f' && kept.has(table.oid));
  const excluded = tables.filter((table) => !kept.has(table.oid));
  return { chosen, foreign, parents: parentsOf(chosen, lines), excluded };
}

/** Tables that the patterns choose, with the partitioned tables above them: a leaf cannot be created without those. */
export function chosenOids(tables: readonly Choosable[], patterns: TablesOption): ReadonlySet<Oid> {
  const { include, exclude } = globsOf(patterns);
  const byOid = new Map(tables.map((table) => [table.oid, table]));
  const lines = ancestry(tables);
  const included = new Map<Oid, boolean>();
  const isIncluded = (table: Choosable): boolean => {
    const known = included.get(table.oid);
    if (known !== undefined) return known;
    const found =
      !(patterns.include === undefined && table.service === true) &&
      (include.some(({ test }) => test(table)) ||
        [...(table.parent === null ? [] : [table.parent]), ...table.inherits].some((oid) => {
          const parent = byOid.get(oid);
          return parent !== undefined && isIncluded(parent);
        }));
    included.set(table.oid, found);
    return found;
  };
  const kept = new Set<Oid>();
  for (const table of tables) {
    const line = lines.get(table.oid)!;
    if (!isIncluded(table) || line.some((at) => exclude.some(({ test }) => test(at)))) continue;
    for (const at of line) kept.add(at.oid);
  }
  return kept;
}

function globsOf(patterns: TablesOption) {
  const glob = (text: string) => ({ text, test: compilePattern(text) });
  return { include: (patterns.include ?? ['*.*']).map(glob), exclude: (patterns.exclude ?? []).map(glob) };
}

function parentsOf(
  chosen: readonly CatalogTable[],
  lines: ReadonlyMap<Oid, readonly CatalogTable[]>,
): readonly SourceParent[] {
  const parents = new Map<Oid, { schema: string; name: string; leaves: { schema: string; name: string }[] }>();
  for (const { oid, schema, name } of chosen) {
    for (const parent of lines.get(oid)!.slice(1)) {
      const known = parents.get(parent.oid) ?? { schema: parent.schema, name: parent.name, leaves: [] };
      known.leaves.push({ schema, name });
      parents.set(parent.oid, known);
    }
  }
  return [...parents.values()];
}

/** Each table with its partitioned parents, itself first. */
function ancestry<T extends Choosable>(tables: readonly T[]): ReadonlyMap<Oid, readonly T[]> {
  const byOid = new Map(tables.map((table) => [table.oid, table]));
  const lines = new Map<Oid, T[]>();
  for (const table of tables) {
    const line = [table];
    for (let at = byOid.get(table.parent ?? 0); at !== undefined; at = byOid.get(at.parent ?? 0)) line.push(at);
    lines.set(table.oid, line);
  }
  return lines;
}

function refuseUnmatched(tables: readonly CatalogTable[], unmatched: readonly { readonly text: string }[]): void {
  if (unmatched.length === 0) return;
  const names = tables.map(relationName);
  const said = unmatched.map(({ text }) => {
    const meant = suggest(text.includes('.') ? text : `public.${text}`, names);
    return `"${text}"${meant === null ? '' : ` (did you mean "${meant}"?)`}`;
  });
  throw sourceError('PGS2101', `no table of the source matches ${said.join(', ')}`);
}

/** Schemas of the managed service that are left out: all of them except those that a pattern of `include` names. */
export async function schemasLeftOut(client: pg.Client, { include }: TablesOption): Promise<readonly string[]> {
  const named = (schema: string) => (include ?? []).some((pattern) => pattern.startsWith(`${schema}.`));
  return (await serviceSchemas(client)).filter((schema) => !named(schema));
}
