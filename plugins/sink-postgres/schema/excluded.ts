import type pg from 'pg';
import type { Logger } from '../../../core/base/logger.ts';
import { relationName } from '../../../core/postgres/relation.ts';
import type { SinkPreparation } from '../../../core/api/snapshot.ts';
import { batches } from '../batches.ts';
import { bulkError } from '../errors.ts';
import type { Sessions } from '../sessions.ts';
import { dropReporting } from './drop-reporting.ts';
import { type TreeNode, descendantsOf, readTree, resolveTables } from './tree.ts';

/**
 * Drops the tables that the file leaves out, which a whole restore has made. Foreign keys to them go and are reported;
 * anything else that depends on one is an error, or goes with it where the file says `dependents: cascade`. Repeatable.
 */
export async function dropExcluded(
  sessions: Sessions,
  preparation: SinkPreparation,
  more: { readonly dependents: 'error' | 'cascade'; readonly log: Logger },
): Promise<void> {
  if (preparation.excluded.length === 0) return;
  const doomed = await sessions.query((client) => findDoomed(client, preparation));
  for (const group of batches(doomed.order, 100)) {
    await sessions.transaction(async (client) => {
      const oids = group.map((node) => node.relid);
      await cutForeignKeys(client, oids, more.log);
      for (const child of doomed.orphans) {
        if (!oids.includes(child.parent.relid)) continue;
        await client.query(`ALTER TABLE ${child.node.sql} NO INHERIT ${child.parent.sql}`);
        more.log.log(
          'warn',
          'inheritance-cut',
          `${child.node.sql} no longer inherits ${child.parent.sql}, which is excluded`,
        );
      }
      await drop(client, group, more);
      await assertKept(client, preparation, more.dependents);
    });
  }
}

interface Doomed {
  /** Children before parents. */
  readonly order: readonly TreeNode[];
  /** Tables that stay and inherit from one that goes. */
  readonly orphans: readonly { readonly node: TreeNode; readonly parent: TreeNode }[];
}

async function findDoomed(client: pg.Client, preparation: SinkPreparation): Promise<Doomed> {
  const kept = new Set(
    (
      await resolveTables(
        client,
        preparation.plans.map((p) => p.source),
      )
    ).values(),
  );
  const found = [...(await resolveTables(client, preparation.excluded)).values()].filter((oid) => !kept.has(oid));
  const ofExtension = await extensionMembers(client, found);
  const tree = await readTree(client, found);
  const nodes = found
    .filter((oid) => !ofExtension.has(oid))
    .map((oid) => tree.get(oid)!)
    // A partitioned table stays as long as one of its partitions is copied.
    .filter((node) => !node.partitioned || !descendantsOf(tree, node.relid).some((below) => kept.has(below.relid)));
  const going = new Set(nodes.map((node) => node.relid));
  const orphans = nodes.flatMap((parent) =>
    [...tree.values()]
      .filter((node) => node.parents.includes(parent.relid) && !node.isPartition && !going.has(node.relid))
      .map((node) => ({ node, parent })),
  );
  const depth = (node: TreeNode): number => descendantsOf(tree, node.relid).length;
  return { order: nodes.toSorted((a, b) => depth(a) - depth(b)), orphans };
}

async function extensionMembers(client: pg.Client, oids: readonly number[]): Promise<ReadonlySet<number>> {
  const { rows } = await client.query<{ objid: string }>(
    `SELECT objid FROM pg_depend WHERE classid = 'pg_class'::regclass AND objid = ANY($1::oid[]) AND deptype = 'e'`,
    [oids],
  );
  return new Set(rows.map((row) => Number(row.objid)));
}

/** Foreign keys from tables that stay, or that go later, to these. */
async function cutForeignKeys(client: pg.Client, oids: readonly number[], log: Logger): Promise<void> {
  const { rows } = await client.query<{ sql: string; label: string; goes: string }>(
    `SELECT format('ALTER TABLE %I.%I DROP CONSTRAINT %I', n.nspname, c.relname, k.conname) AS sql,
            k.conname || ' of ' || n.nspname || '.' || c.relname AS label, (c.oid = ANY($1::oid[]))::text AS goes
     FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE k.contype = 'f' AND k.conparentid = 0 AND k.confrelid = ANY($1::oid[])`,
    [oids],
  );
  if (rows.length > 0) await client.query(rows.map((row) => row.sql).join(';'));
  for (const row of rows) {
    if (row.goes === 'true') continue;
    log.log('warn', 'foreign-key-dropped', `foreign key ${row.label} refers to an excluded table and is dropped`);
  }
}

async function drop(
  client: pg.Client,
  group: readonly TreeNode[],
  more: { readonly dependents: 'error' | 'cascade'; readonly log: Logger },
): Promise<void> {
  const names = group.map((node) => node.sql).join(', ');
  const mode = more.dependents === 'cascade' ? 'CASCADE' : 'RESTRICT';
  await dropReporting(client, `DROP TABLE ${names} ${mode}`, { table: names, log: more.log });
}

/** A cascade must never take a table that the plan copies. */
async function assertKept(client: pg.Client, preparation: SinkPreparation, dependents: string): Promise<void> {
  if (dependents !== 'cascade') return;
  const there = await resolveTables(
    client,
    preparation.plans.map((plan) => plan.source),
  );
  const lost = preparation.plans.find((plan) => !there.has(relationName(plan.source)));
  if (lost === undefined) return;
  throw bulkError('PGS3004', `dropping the excluded tables would drop ${relationName(lost.source)}, too`, {
    where: { table: relationName(lost.source) },
  });
}
