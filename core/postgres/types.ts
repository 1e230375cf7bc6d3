import type { Oid } from './relation.ts';

/**
 * Built-in types whose send and receive functions give and take the same bytes on 14 to 18, with no catalog oid inside
 * (pg_type.dat; oids of built-in types never change). Left out on purpose: reg* types (an oid of this database), money
 * (its scale is lc_monetary's), xml (its receive re-reads the encoding), tsquery (its receive refuses an empty one that
 * its send wrote), tid, xid, cid, aclitem, pg_node_tree.
 */
const scalars: readonly Oid[] = [
  16, 17, 18, 19, 20, 21, 23, 25, 26, 114, 600, 601, 602, 603, 604, 628, 650, 700, 701, 718, 774, 829, 869, 1042, 1043,
  1082, 1083, 1114, 1184, 1186, 1266, 1560, 1562, 1700, 2950, 2970, 3220, 3614, 3802, 4072, 5038, 5069,
];
/** int4, num, ts, tstz, date, int8: range, then multirange. */
const ranges: readonly Oid[] = [3904, 3906, 3908, 3910, 3912, 3926, 4451, 4532, 4533, 4534, 4535, 4536];

/** int2vector and oidvector: their receive functions refuse an empty one that their own send functions wrote. */
const vectors: ReadonlySet<Oid> = new Set([22, 30]);

const safe: ReadonlySet<Oid> = new Set([...scalars, ...ranges]);

/**
 * True when COPY BINARY moves the type unchanged between any two servers of 14 to 18. An enum travels as its label. An
 * array carries the oid of its element type, so only arrays of built-in types are safe; composites and ranges of users
 * carry or mean such oids, too.
 */
export function isBinarySafe(type: {
  readonly baseType: Oid;
  /** pg_type.typtype of the base type. */
  readonly baseKind: string;
  /** pg_type.typelem of the base type where it is a true array, else 0. */
  readonly element: Oid;
}): boolean {
  if (type.baseKind === 'e') return true;
  if (vectors.has(type.baseType)) return false;
  return type.element === 0 ? safe.has(type.baseType) : safe.has(type.element);
}

export const binarySafeTypes: readonly Oid[] = [...safe];
