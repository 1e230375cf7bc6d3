import type pg from 'pg';
import type { Logger } from '../../../core/base/logger.ts';
import { relationName } from '../../../core/postgres/relation.ts';
import type { SinkPreparation } from '../../../core/api/snapshot.ts';
import { batches } from '../batches.ts';
import { bulkError } from '../errors.ts';
import type { Sessions } from '../sessions.ts';
import type { Owner } from '../state.ts';
import { dropReporting } from './drop-reporting.ts';
import { tablesMade } from './made.ts';
import { type TreeNode, descendantsOf, readTree, resolveTables } from './tree.ts';

type Excluded = SinkPreparation['excluded'];

/**
 * Tables that the file leaves out and whose names belong to existing tables, views or the like of the target. Called
 * before anything is created: nothing is created for them, and the existing ones stay unchanged.
 */
export async function standingAlready(client: pg.Client, excluded: Excluded): Promise<Excluded> {
  const { rows } = await client.query<{ schema: string; name: string }>(
    `SELECT w.schema, w.name FROM unnest($1::text[], $2::text[]) AS w (schema, name)
     JOIN pg_namespace n ON n.nspname = w.schema JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = w.name`,
    [excluded.map(({ schema }) => schema), excluded.map(({ name }) => name)],
  );
  return rows;
}

/**
 * Drops the tables that the file leaves out and that a complete restore has created: only those, no others of their
 * names. Foreign keys to them are dropped and reported; any other dependent object is an error, or is dropped along
 * with `dependents: cascade`. Repeatable.
 */
export async function dropExcluded(
  sessions: Sessions,
  owner: Owner,
  preparation: SinkPreparation,
  options: { readonly dependents: 'error' | 'cascade'; readonly log: Logger },
): Promise<void> {
  if (preparation.excluded.length === 0) return;
  const doomed = await sessions.query((client) => findDoomed(client, owner, preparation));
  for (const group of batches(doomed.order, 100)) {
    await sessions.transaction(async (client) => {
      const oids = group.map((node) => node.relid);
      await cutForeignKeys(client, oids, { kept: doomed.kept, log: options.log });
      for (const child of doomed.orphans) {
        if (!oids.includes(child.parent.relid)) continue;
        await client.query(`ALTER TABLE ${child.node.sql} NO INHERIT ${child.parent.sql}`);
        options.log.log(
          'warn',
          'inheritance-cut',
          `${child.node.sql} no longer inherits ${child.parent.sql}, which is excluded`,
        );
      }
      await drop(client, group, options);
      await assertKept(client, preparation, options.dependents);
    });
  }
}

interface Doomed {
  /** Children before parents. */
  readonly order: readonly TreeNode[];
  /** Tables that stay and inherit from a dropped one. */
  readonly orphans: readonly { readonly node: TreeNode; readonly parent: TreeNode }[];
  /** Tables of the plans. */
  readonly kept: readonly number[];
}

async function findDoomed(client: pg.Client, owner: Owner, preparation: SinkPreparation): Promise<Doomed> {
  const kept = new Set(
    (
      await resolveTables(
        client,
        preparation.plans.map((p) => p.source),
      )
    ).values(),
  );
  const made = await tablesMade(client, owner);
  const excluded = preparation.excluded.filter((table) => made.has(relationName(table)));
  const found = [...(await resolveTables(client, excluded)).values()].filter((oid) => !kept.has(oid));
  const ofExtension = await extensionMembers(client, found);
  const tree = await readTree(client, found);
  const nodes = found
    .filter((oid) => !ofExtension.has(oid))
    .map((oid) => tree.get(oid)!)
    // A partitioned table stays as long as one of its partitions is copied, or belongs to a user.
    .filter((node) => !node.partitioned || descendantsOf(tree, node.relid).every(({ relid }) => found.includes(relid)));
  const orphans = nodes.flatMap((parent) =>
    [...tree.values()]
      .filter((node) => node.parents.includes(parent.relid) && !node.isPartition && kept.has(node.relid))
      .map((node) => ({ node, parent })),
  );
  const depth = (node: TreeNode): number => descendantsOf(tree, node.relid).length;
  return { order: nodes.toSorted((a, b) => depth(a) - depth(b)), orphans, kept: [...kept] };
}

async function extensionMembers(client: pg.Client, oids: readonly number[]): Promise<ReadonlySet<number>> {
  const { rows } = await client.query<{ objid: string }>(
    `SELECT objid FROM pg_depend WHERE classid = 'pg_class'::regclass AND objid = ANY($1::oid[]) AND deptype = 'e'`,
    [oids],
  );
  return new Set(rows.map((row) => Number(row.objid)));
}

/** Foreign keys to these tables, from tables that stay or are dropped later. */
async function cutForeignKeys(
  client: pg.Client,
  oids: readonly number[],
  { kept, log }: { readonly kept: readonly number[]; readonly log: Logger },
): Promise<void> {
  const { rows } = await client.query<{ sql: string; label: string; goes: string }>(
    `SELECT format('ALTER TABLE %I.%I DROP CONSTRAINT %I', n.nspname, c.relname, k.conname) AS sql,
            k.conname || ' of ' || n.nspname || '.' || c.relname AS label, (c.oid = ANY($1::oid[]))::text AS goes
     FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE k.contype = 'f' AND k.conparentid = 0 AND k.confrelid = ANY($1::oid[]) AND c.oid = ANY($2::oid[])`,
    [oids, [...kept, ...oids]],
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
  options: { readonly dependents: 'error' | 'cascade'; readonly log: Logger },
): Promise<void> {
  const names = group.map((node) => node.sql).join(', ');
  const mode = options.dependents === 'cascade' ? 'CASCADE' : 'RESTRICT';
  await dropReporting(client, `DROP TABLE ${names} ${mode}`, { table: names, log: options.log });
}

/** CASCADE must never drop a table that the plan copies. */
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
