import type { PluginContext } from '../../../core/api/context.ts';
import { failpoint } from '../../../core/base/failpoint.ts';
import type { TablePlan } from '../../../core/api/plan.ts';
import { relationName } from '../../../core/postgres/relation.ts';
import type { SinkPreparation } from '../../../core/api/snapshot.ts';
import { setAside } from '../definitions/set-aside.ts';
import { bulkError } from '../errors.ts';
import { type PostgresSinkOptions, schemaMode } from '../options.ts';
import type { Sessions } from '../sessions.ts';
import { keyedTables, smallTables } from '../staying.ts';
import { type Owner, analyzeState, ensureBulkState, readPhase, readTables, writePhase } from '../state.ts';
import { addMissingTables } from './add-tables.ts';
import { schemaAgain } from './again.ts';
import { adoptRestored, alterTables } from './alter.ts';
import { storeDump } from './dump.ts';
import { refuseOccupied } from './empty.ts';
import { dropExcluded, standingAlready } from './excluded.ts';
import { takeOn } from './made-parts.ts';
import { restore } from './restore.ts';
import { withoutTables } from './table-objects.ts';
import { type VerifiedTarget, verifyTargets, withRows } from './verify-target.ts';

/** From this number on, scanning all of them for each of them costs more than ANALYZE of the state. */
const manyTables = 100;

export interface PrepareInput {
  readonly sessions: Sessions;
  readonly owner: Owner;
  readonly options: PostgresSinkOptions;
  readonly context: PluginContext;
}

/**
 * Prepares the target for loading tables, from wherever an earlier run stopped. Returns them in the order of the plans.
 */
export async function prepareTarget(
  input: PrepareInput,
  preparation: SinkPreparation,
  signal: AbortSignal,
): Promise<readonly VerifiedTarget[]> {
  const { sessions, owner, options } = input;
  await sessions.query(ensureBulkState);
  if (schemaMode(options) === 'create') await createSchema(input, preparation, signal);
  const targets = await adoptTargets(input, preparation.plans);
  const many = targets.length >= manyTables;
  if (many) await sessions.query((client) => analyzeState(client, 'bulk_table'));
  signal.throwIfAborted();
  const states = await sessions.query((client) => readTables(client, owner));
  const fresh = preparation.plans
    .map((plan) => states.get(relationName(plan.source))!)
    .filter((state) => state.phase === 'new')
    .map((state) => state.relid);
  await setAside(sessions, owner, [...new Set(fresh)], {
    log: input.context.log,
    small: smallTables(preparation, states),
    keyed: keyedTables(preparation, states),
  });
  if (many) await sessions.query((client) => analyzeState(client, 'definition'));
  failpoint('prepared');
  return targets;
}

async function createSchema(input: PrepareInput, preparation: SinkPreparation, signal: AbortSignal): Promise<void> {
  const { sessions, owner, options, context } = input;
  const { log } = context;
  const alterOptions = { dependents: options.dependents, log };
  const { again } = preparation;
  let state = await sessions.query((client) => readPhase(client, owner));
  // The restored schema is the source's of that time, and is altered by the plans of that time.
  const taken = state !== null;
  if (state === null) {
    await sessions.query((client) => refuseOccupied(client, preparation, context.name));
    failpoint('dump');
    const standing = await sessions.query((client) => standingAlready(client, preparation.excluded));
    const whole = await preparation.dumpSchema();
    const dump = { ...whole, objects: withoutTables(whole.objects, standing) };
    tellStanding(standing, log);
    log.log('info', 'schema-dumped', `${dump.objects.length} objects of the source's schema read`, { by: dump.by });
    await sessions.transaction(async (client) => {
      await writePhase(client, owner, 'restore');
      await storeDump(client, owner, dump, { options, log, connection: context.name });
    });
    if (dump.objects.length >= manyTables) await sessions.query((client) => analyzeState(client, 'bulk_object'));
    failpoint('dumped');
    state = { phase: 'restore', restored: 0 };
  }
  if (state.phase === 'restore') {
    await restore(sessions, owner, { log, signal, onError: options.on_restore_error });
    state = { phase: 'alter', restored: 0 };
  }
  if (state.phase === 'alter') {
    failpoint('restored');
    await dropExcluded(sessions, owner, preparation, alterOptions);
    failpoint('excluded');
    const begun = taken ? { ...preparation, ...(await again?.begun()) } : preparation;
    await adoptRestored(sessions, owner, begun.plans);
    await alterTables(sessions, owner, begun, alterOptions);
    failpoint('altered');
    await sessions.transaction((client) => writePhase(client, owner, 'ready'));
  }
  if (!taken) return;
  if (again === undefined) await addMissingTables(input, preparation);
  else await schemaAgain(input, preparation, again);
}

function tellStanding(standing: SinkPreparation['excluded'], log: PluginContext['log']): void {
  if (standing.length === 0) return;
  const names = standing.slice(0, 5).map(relationName).join(', ');
  const others = standing.length > 5 ? ` and ${standing.length - 5} more` : '';
  const message = `${names}${others}: left out by the file, and the target has its own of the name, which stay as they are`;
  log.log('warn', 'tables-of-target', message, { tables: standing.map(relationName).join(', ') });
}

/**
 * Checks every plan against the target, and takes over existing tables that are not ours yet: all of them with `schema:
 * existing`, otherwise later additions to the file. Those must be empty, or are emptied once if the file says so.
 */
async function adoptTargets(input: PrepareInput, plans: readonly TablePlan[]): Promise<readonly VerifiedTarget[]> {
  const { sessions, owner, options, context } = input;
  return sessions.transaction(async (client) => {
    const targets = await verifyTargets(client, plans);
    const known = await readTables(client, owner);
    const entries = plans
      .map((plan, i) => ({
        source: relationName(plan.source),
        relid: targets[i]!.relid,
        phase: 'new' as const,
        columns: [...plan.output.columns, ...(plan.generated ?? [])].map(({ name }) => name),
      }))
      .filter((entry) => !known.has(entry.source));
    for (const [i, plan] of plans.entries()) {
      const state = known.get(relationName(plan.source));
      if (state !== undefined && state.relid !== targets[i]!.relid) throw replaced(plan);
    }
    if (entries.length === 0) return targets;
    const full = await withRows(
      client,
      entries.map((entry) => entry.relid),
    );
    if (full.length > 0) {
      if (options.on_existing === 'error') throw hasRows(full, context.name);
      await client.query(`TRUNCATE ${full.join(', ')}`);
      context.log.log('warn', 'truncated', `emptied before the copy: ${full.join(', ')}`);
    }
    await takeOn(client, owner, entries);
    if ((await readPhase(client, owner)) === null) await writePhase(client, owner, 'ready');
    return targets;
  });
}

function hasRows(full: readonly string[], connection: string): Error {
  const others = full.length > 5 ? ` and ${full.length - 5} more` : '';
  return bulkError('PGS3007', `rows in ${full.slice(0, 5).join(', ')}${others}`, {
    where: { connection, table: full[0]! },
  });
}

function replaced(plan: TablePlan): Error {
  const table = relationName(plan.output);
  return bulkError('PGS3006', `${table} is not the table that an earlier run of this pipeline prepared`, {
    where: { table },
    remedy:
      'The table was dropped and made again, or the rename in the file was changed: run cleanup, empty the target, run again.',
  });
}
