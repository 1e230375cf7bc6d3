import pg from 'pg';
import type { Logger } from '../../../core/base/logger.ts';
import { failpoint } from '../../../core/base/failpoint.ts';
import type { ParentPlan, TablePlan } from '../../../core/api/plan.ts';
import type { SinkPreparation } from '../../../core/api/snapshot.ts';
import { relationName } from '../../../core/postgres/relation.ts';
import { fromPg } from '../../../core/postgres/pg-error.ts';
import { batches } from '../batches.ts';
import { bulkError } from '../errors.ts';
import type { Sessions } from '../sessions.ts';
import type { Owner } from '../state.ts';
import { changeColumns } from './alter-columns.ts';
import { moveTable } from './alter-names.ts';
import { columnChanges, isEmpty } from '../../../core/api/column-changes.ts';
import { noteColumns } from './made-columns.ts';
import { noteParts, takeOn } from './made-parts.ts';
import { parentColumns } from './parents.ts';
import { type TreeNode, readTree, resolveTables } from './tree.ts';

export interface AlterOptions {
  readonly dependents: 'error' | 'cascade';
  readonly log: Logger;
}

/** One table of the target and its plan. `plan` null: a parent that follows its partitions. */
interface Step {
  readonly node: TreeNode;
  readonly plan: TablePlan | null;
  readonly to: { readonly schema: string; readonly name: string };
}

/**
 * Notes the oid of each source table in the target: names change from here on, oids do not, so that later steps can be
 * resumed at any table.
 */
export async function adoptRestored(sessions: Sessions, owner: Owner, plans: readonly TablePlan[]): Promise<void> {
  await sessions.transaction(async (client) => {
    const { rows } = await client.query('SELECT 1 FROM pgsluice.bulk_table WHERE pipeline = $1 AND sink = $2 LIMIT 1', [
      owner.pipeline,
      owner.sink,
    ]);
    if (rows.length > 0) return;
    const found = await resolveTables(
      client,
      plans.map((plan) => plan.source),
    );
    const entries = plans.map((plan) => {
      const source = relationName(plan.source);
      const relid = found.get(source);
      if (relid === undefined) throw missing(source);
      return { source, relid, phase: 'new' as const };
    });
    const tree = await readTree(
      client,
      entries.map((entry) => entry.relid),
    );
    const known = new Set(entries.map((entry) => entry.relid));
    const parents = [...tree.values()].filter((node) => node.partitioned && !known.has(node.relid));
    await takeOn(client, owner, [
      ...entries,
      ...parents.map((node) => ({ source: relationName(node), relid: node.relid, phase: 'parent' as const })),
    ]);
  });
}

function missing(table: string): Error {
  return bulkError('PGS3006', `the schema that was restored has no table ${table}`, {
    where: { table },
    remedy: 'The table came into being after the schema was read: run cleanup, empty the target, and run again.',
  });
}

/** Renames, moves, drops, adds: table by table, each with its mark in the same transaction. */
export async function alterTables(
  sessions: Sessions,
  owner: Owner,
  { plans, parents }: Pick<SinkPreparation, 'plans' | 'parents'>,
  options: AlterOptions,
): Promise<void> {
  const steps = await sessions.query((client) => openSteps(client, owner, { plans, parents: parents ?? [] }));
  for (const group of batches(steps, 50)) {
    failpoint('alter');
    await sessions.transaction(async (client) => {
      for (const step of group) {
        await alterTable(client, step, options);
        const added = step.plan === null ? [] : columnChanges(step.plan).add.map(({ name }) => name);
        await noteColumns(client, owner, { relid: step.node.relid, names: added });
      }
      // Changing the type of a column creates its indexes and constraints again.
      await noteParts(
        client,
        owner,
        group.map(({ node }) => node.relid),
      );
      await client.query(
        `UPDATE pgsluice.bulk_table SET altered = true WHERE pipeline = $1 AND sink = $2 AND relid = ANY($3::oid[])`,
        [owner.pipeline, owner.sink, group.map((step) => step.node.relid)],
      );
    });
  }
}

async function openSteps(
  client: pg.Client,
  owner: Owner,
  { plans, parents }: { readonly plans: readonly TablePlan[]; readonly parents: readonly ParentPlan[] },
): Promise<Step[]> {
  const { rows } = await client.query<{ source: string; relid: string; altered: string }>(
    `SELECT source, relid, altered::text FROM pgsluice.bulk_table WHERE pipeline = $1 AND sink = $2`,
    [owner.pipeline, owner.sink],
  );
  const bySource = new Map(plans.map((plan) => [relationName(plan.source), plan]));
  const tree = await readTree(
    client,
    rows.map((row) => Number(row.relid)),
  );
  const planned = new Map<number, TablePlan>();
  for (const row of rows) {
    const plan = bySource.get(row.source);
    if (plan !== undefined) planned.set(Number(row.relid), plan);
  }
  const columns = parentColumns(tree, planned);
  const outputs = new Map(parents.map(({ source, output }) => [relationName(source), output]));
  const steps: Step[] = [];
  for (const row of rows) {
    const node = tree.get(Number(row.relid));
    if (node === undefined || row.altered === 'true') continue;
    const plan = planned.get(node.relid) ?? columns.get(node.relid) ?? null;
    const to = planned.get(node.relid)?.output ?? outputs.get(row.source) ?? node;
    if ((plan !== null && !isEmpty(columnChanges(plan))) || to.schema !== node.schema || to.name !== node.name) {
      steps.push({ node, plan, to });
    }
  }
  // Parents first: children inherit their changes.
  const depth = (node: TreeNode): number =>
    node.parents.length === 0 ? 0 : 1 + Math.max(...node.parents.map((p) => (tree.has(p) ? depth(tree.get(p)!) : 0)));
  return steps.toSorted((a, b) => depth(a.node) - depth(b.node));
}

async function alterTable(client: pg.Client, step: Step, options: AlterOptions): Promise<void> {
  try {
    if (step.plan !== null) await changeColumns(client, step.node.relid, columnChanges(step.plan), options);
    await moveTable(client, step.node.relid, step.to, options.log);
  } catch (error) {
    if (!(error instanceof pg.DatabaseError)) throw error;
    const known = fromPg(error, {});
    const table = relationName(step.node);
    throw bulkError('PGS3005', `${table} → ${relationName(step.to)}: ${known.message}`, {
      where: { table, ...(error.code === undefined ? {} : { sqlstate: error.code }) },
      cause: error,
    });
  }
}
