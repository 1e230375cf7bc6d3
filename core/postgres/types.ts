import { oidsOf } from './oids.ts';
import type { Oid } from './relation.ts';

/**
 * Built-in types whose send and receive functions give and take the same bytes on 14 to 18, with no catalog oid inside
 * (pg_type.dat; oids of built-in types never change). Left out on purpose: reg* types (an oid of this database), money
 * (its scale is lc_monetary's), xml (its receive re-reads the encoding), tsquery (its receive refuses an empty one that
 * its send wrote), tid, xid, cid, aclitem, pg_node_tree.
 */
// biome-ignore format: names read better in rows
const scalars = oidsOf(
  'bool', 'bytea', 'char', 'name', 'int8', 'int2', 'int4', 'text', 'oid', 'json', 'point', 'lseg', 'path', 'box',
  'polygon', 'line', 'cidr', 'float4', 'float8', 'circle', 'macaddr8', 'macaddr', 'inet', 'bpchar', 'varchar',
  'date', 'time', 'timestamp', 'timestamptz', 'interval', 'timetz', 'bit', 'varbit', 'numeric', 'uuid',
  'txid_snapshot', 'pg_lsn', 'tsvector', 'jsonb', 'jsonpath', 'pg_snapshot', 'xid8',
);
// biome-ignore format: names read better in rows
const ranges = oidsOf(
  'int4range', 'numrange', 'tsrange', 'tstzrange', 'daterange', 'int8range', 'int4multirange', 'nummultirange',
  'tsmultirange', 'tstzmultirange', 'datemultirange', 'int8multirange',
);

/** Their receive functions refuse an empty value that their own send functions wrote. */
const vectors = oidsOf('int2vector', 'oidvector');

const safe: ReadonlySet<Oid> = new Set([...scalars, ...ranges]);

/**
 * True if COPY BINARY moves the type unchanged between any two servers of 14 to 18. An enum is sent as its label. An
 * array contains the oid of its element type, so only arrays of built-in types are safe; composites and ranges of users
 * contain such oids, too.
 */
export function isBinarySafe(type: {
  readonly baseType: Oid;
  /** pg_type.typtype of the base type. */
  readonly baseKind: string;
  /** pg_type.typelem of the base type if that is a true array, else 0. */
  readonly element: Oid;
}): boolean {
  if (type.baseKind === 'e') return true;
  if (vectors.has(type.baseType)) return false;
  return type.element === 0 ? safe.has(type.baseType) : safe.has(type.element);
}

export const binarySafeTypes: readonly Oid[] = [...safe];
