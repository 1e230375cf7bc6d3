import type pg from 'pg';

/** A table of the target with its place among partitions and inheriting tables. */
export interface TreeNode {
  readonly relid: number;
  readonly schema: string;
  readonly name: string;
  /** Quoted and qualified, as SQL. */
  readonly sql: string;
  /** Declared PARTITION BY: holds no rows of its own. */
  readonly partitioned: boolean;
  readonly isPartition: boolean;
  readonly parents: readonly number[];
}

/** The tables, everything above and everything below them. */
export async function readTree(client: pg.Client, relids: readonly number[]): Promise<ReadonlyMap<number, TreeNode>> {
  const { rows } = await client.query<Record<string, string>>(
    `WITH RECURSIVE up AS (
       SELECT unnest($1::oid[]) AS oid UNION SELECT i.inhparent FROM up JOIN pg_inherits i ON i.inhrelid = up.oid
     ), down AS (
       SELECT oid FROM up UNION SELECT i.inhrelid FROM down JOIN pg_inherits i ON i.inhparent = down.oid
     )
     SELECT c.oid, n.nspname AS schema, c.relname AS name, format('%I.%I', n.nspname, c.relname) AS sql,
            (c.relkind = 'p')::text AS partitioned, c.relispartition::text AS is_partition,
            (SELECT string_agg(i.inhparent::text, ',' ORDER BY i.inhseqno) FROM pg_inherits i WHERE i.inhrelid = c.oid) AS parents
     FROM down JOIN pg_class c ON c.oid = down.oid JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relkind IN ('r', 'p', 'f')`,
    [relids],
  );
  return new Map(
    rows.map((row) => [
      Number(row['oid']),
      {
        relid: Number(row['oid']),
        schema: row['schema']!,
        name: row['name']!,
        sql: row['sql']!,
        partitioned: row['partitioned'] === 'true',
        isPartition: row['is_partition'] === 'true',
        parents: (row['parents'] ?? '').split(',').filter(Boolean).map(Number),
      },
    ]),
  );
}

type Tree = ReadonlyMap<number, TreeNode>;
const children = new WeakMap<Tree, ReadonlyMap<number, TreeNode[]>>();

/** Children of a node, one level below it. Called for each of thousands of tables, so the tree is inverted once. */
export function childrenOf(tree: Tree, relid: number): readonly TreeNode[] {
  let byParent = children.get(tree);
  if (byParent === undefined) {
    const made = new Map<number, TreeNode[]>();
    for (const node of tree.values()) {
      for (const parent of node.parents) {
        const siblings = made.get(parent);
        if (siblings === undefined) made.set(parent, [node]);
        else siblings.push(node);
      }
    }
    byParent = made;
    children.set(tree, byParent);
  }
  return byParent.get(relid) ?? [];
}

export function descendantsOf(tree: ReadonlyMap<number, TreeNode>, relid: number): TreeNode[] {
  return childrenOf(tree, relid).flatMap((child) => [child, ...descendantsOf(tree, child.relid)]);
}

/** Tables by name: `schema.name` to oid. Only tables: plain, partitioned, foreign. */
export async function resolveTables(
  client: pg.Client,
  names: readonly { readonly schema: string; readonly name: string }[],
): Promise<ReadonlyMap<string, number>> {
  const { rows } = await client.query<{ key: string; oid: string }>(
    `SELECT w.schema || '.' || w.name AS key, c.oid FROM unnest($1::text[], $2::text[]) AS w (schema, name)
     JOIN pg_namespace n ON n.nspname = w.schema
     JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = w.name AND c.relkind IN ('r', 'p', 'f')`,
    [names.map((n) => n.schema), names.map((n) => n.name)],
  );
  return new Map(rows.map((row) => [row.key, Number(row.oid)]));
}
