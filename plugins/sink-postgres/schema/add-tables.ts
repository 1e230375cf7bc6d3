import type { TablePlan } from '../../../core/api/plan.ts';
import { relationName } from '../../../core/postgres/relation.ts';
import type { SinkPreparation } from '../../../core/api/snapshot.ts';
import { quoteIdent } from '../../../core/postgres/quote.ts';
import { bulkError } from '../errors.ts';
import { addTables, readTables } from '../state.ts';
import { alterTables } from './alter.ts';
import { fitted } from './dump.ts';
import { noteLeftOut, tellLeftOut } from './left-out.ts';
import type { PrepareMore } from './prepare.ts';
import { makeOne } from './restore.ts';
import { readTargetRoles, refuseLeftOut, rolesHere } from './roles.ts';
import { objectsOfTables } from './table-objects.ts';
import { resolveTables } from './tree.ts';

/**
 * Tables that were added to the file after the schema was made: created as the source has them now, then renamed and altered
 * as the plan says. Types and functions that they need must be there; what was made since is told by the server's refusal.
 */
export async function addMissingTables(more: PrepareMore, preparation: SinkPreparation): Promise<void> {
  const { sessions, owner, options, context } = more;
  const { log } = context;
  const missing = await sessions.query(async (client) => {
    const known = await readTables(client, owner);
    const there = await resolveTables(
      client,
      preparation.plans.map((plan) => plan.output),
    );
    return preparation.plans.filter(
      (plan) => !known.has(relationName(plan.source)) && !there.has(relationName(plan.output)),
    );
  });
  if (missing.length > 0) {
    const dump = await preparation.dumpSchema();
    const found = objectsOfTables(
      dump.objects,
      missing.map((plan) => plan.source),
    );
    await sessions.transaction(async (client) => {
      const here = rolesHere(await readTargetRoles(client), options);
      const { objects, left } = fitted(found, here);
      refuseLeftOut(
        left.map(({ role }) => role),
        options,
        context.name,
      );
      await noteLeftOut(client, owner, tellLeftOut(left, log));
      await client.query(`SET LOCAL search_path = ''`);
      for (const schema of new Set(missing.map((plan) => plan.source.schema)))
        await client.query(`CREATE SCHEMA IF NOT EXISTS ${quoteIdent(schema)}`);
      for (const [ordinal, object] of objects.entries()) {
        const { type, sql } = object;
        const onError = options.on_restore_error;
        const name = `${object.schema}.${object.name}`;
        await noteLeftOut(client, owner, await makeOne(client, { ordinal, type, name, sql }, { log, onError }));
      }
      const made = await resolveTables(
        client,
        missing.map((plan) => plan.source),
      );
      await addTables(
        client,
        owner,
        missing.map((plan) => ({ source: relationName(plan.source), relid: relidOf(plan, made), phase: 'new' })),
      );
    });
    log.log('info', 'tables-created', `${missing.length} added tables are created in the target`, { by: dump.by });
  }
  await alterTables(sessions, owner, preparation, { dependents: options.dependents, log });
}

function relidOf(plan: TablePlan, made: ReadonlyMap<string, number>): number {
  const table = relationName(plan.source);
  const relid = made.get(table);
  if (relid === undefined)
    throw bulkError('PGS3006', `the dump of the source has no table ${table}`, { where: { table } });
  return relid;
}
