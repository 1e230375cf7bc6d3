/** `catalog oid subid`: an object's address in the catalogs. */
export type Address = string;

export function addressOf(catalog: string, oid: string, sub = '0'): Address {
  return `${catalog} ${oid} ${sub}`;
}

export interface Dependencies {
  of(key: string): readonly string[];
}

/**
 * Dependencies among objects of users, and the objects that stand for others that a manifest does not name by
 * themselves.
 */
export const dependencySql: readonly string[] = [
  `SELECT classid::regclass::text AS catalog, objid AS oid, objsubid AS sub, refclassid::regclass::text AS ref, refobjid AS ref_oid, refobjsubid AS ref_sub, deptype
   FROM pg_depend WHERE objid >= 16384 AND refobjid >= 16384 OR deptype = 'e' AND refobjid >= 16384 OR refclassid = 'pg_namespace'::regclass AND objid >= 16384`,
  // Defaults stand for their column, _RETURN rules for their view, row types for their relation, arrays for their element …
  `SELECT 'pg_attrdef' AS catalog, d.oid, 'pg_class' AS ref, d.adrelid AS ref_oid, d.adnum AS ref_sub FROM pg_attrdef d
   UNION ALL SELECT 'pg_rewrite', r.oid, 'pg_class', r.ev_class, 0 FROM pg_rewrite r WHERE r.rulename = '_RETURN' AND r.oid >= 16384
   UNION ALL SELECT 'pg_type', t.oid, 'pg_class', t.typrelid, 0 FROM pg_type t JOIN pg_class c ON c.oid = t.typrelid WHERE t.oid >= 16384 AND c.relkind <> 'c'
   UNION ALL SELECT 'pg_class', t.typrelid, 'pg_type', t.oid, 0 FROM pg_type t JOIN pg_class c ON c.oid = t.typrelid WHERE t.oid >= 16384 AND c.relkind = 'c'
   UNION ALL SELECT 'pg_type', t.typarray, 'pg_type', t.oid, 0 FROM pg_type t WHERE t.oid >= 16384 AND t.typarray <> 0
   UNION ALL SELECT 'pg_type', r.rngmultitypid, 'pg_type', r.rngtypid, 0 FROM pg_range r WHERE r.rngtypid >= 16384
   UNION ALL SELECT 'pg_proc', d.objid, d.refclassid::regclass::text, d.refobjid, 0 FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.deptype = 'i' AND d.objid >= 16384
   UNION ALL SELECT 'pg_amop', d.objid, d.refclassid::regclass::text, d.refobjid, 0 FROM pg_depend d WHERE d.classid = 'pg_amop'::regclass AND d.deptype IN ('i', 'a')
     AND d.refclassid IN ('pg_opclass'::regclass, 'pg_opfamily'::regclass) AND d.objid >= 16384
   UNION ALL SELECT 'pg_amproc', d.objid, d.refclassid::regclass::text, d.refobjid, 0 FROM pg_depend d WHERE d.classid = 'pg_amproc'::regclass AND d.deptype IN ('i', 'a')
     AND d.refclassid IN ('pg_opclass'::regclass, 'pg_opfamily'::regclass) AND d.objid >= 16384`,
];

type Row = Readonly<Record<string, string | null>>;

export function readDependencies(rows: readonly (readonly Row[])[], keys: ReadonlyMap<Address, string>): Dependencies {
  const [edges, stands] = rows as [readonly Row[], readonly Row[]];
  const standsFor = new Map(
    stands.map((row) => [
      addressOf(row['catalog']!, row['oid']!),
      addressOf(row['ref']!, row['ref_oid']!, row['ref_sub']!),
    ]),
  );
  const extensionOf = new Map(
    edges
      .filter((row) => row['deptype'] === 'e')
      .map((row) => [addressOf(row['catalog']!, row['oid']!), addressOf(row['ref']!, row['ref_oid']!)]),
  );
  const resolve = (catalog: string, oid: string, sub: string): string | undefined => {
    let [at, column] = [addressOf(catalog, oid), sub];
    for (let hops = 0; hops < 5; hops++) {
      const known = keys.get(column === '0' ? at : `${at.slice(0, at.lastIndexOf(' '))} ${column}`) ?? keys.get(at);
      if (known !== undefined) return known;
      const next = standsFor.get(at) ?? extensionOf.get(at);
      if (next === undefined) return undefined;
      const space = next.lastIndexOf(' ');
      [at, column] = [`${next.slice(0, space)} 0`, next.slice(space + 1)];
    }
    return undefined;
  };
  const needs = new Map<string, Set<string>>();
  for (const row of edges) {
    if (row['deptype'] === 'e') continue;
    const from = resolve(row['catalog']!, row['oid']!, row['sub']!);
    const to = resolve(row['ref']!, row['ref_oid']!, row['ref_sub']!);
    if (from === undefined || to === undefined || from === to) continue;
    const set = needs.get(from) ?? new Set();
    needs.set(from, set.add(to));
  }
  return { of: (key) => [...(needs.get(key) ?? [])] };
}
