import { firing, ofUsers } from '../definitions/kept-off.ts';

/**
 * Divides by zero where what was read of the tables no longer holds: something acts on their rows now, or an index that identifies
 * them is gone. Behind the rows and before the commit: the locks of what was written keep it true from here on (ALTER TABLE and
 * CREATE TRIGGER wait for them). Values: see {@link TargetShapes.facts}.
 */
export const stillTrue = `WITH tree AS (
    SELECT oid FROM pg_catalog.unnest($1::oid[]) AS w (oid)
    UNION SELECT p.relid FROM pg_catalog.unnest($2::oid[]) AS w (oid), pg_catalog.pg_partition_tree(w.oid) p
  ) SELECT 1 / (
    NOT EXISTS (SELECT FROM tree JOIN pg_catalog.pg_trigger g ON g.tgrelid = tree.oid WHERE ${ofUsers} AND g.tgenabled = ANY(${firing}))
    AND NOT EXISTS (SELECT FROM tree JOIN pg_catalog.pg_rewrite r ON r.ev_class = tree.oid WHERE r.ev_type <> '1' AND r.ev_enabled = ANY(${firing}))
    AND pg_catalog.cardinality($3::oid[]) = (SELECT pg_catalog.count(*) FROM pg_catalog.pg_index x
      WHERE x.indexrelid = ANY($3::oid[]) AND x.indisvalid AND x.indisready AND x.indimmediate))::int4`;
