import type { PluginContext } from '../../core/api/context.ts';
import { failpoint } from '../../core/base/failpoint.ts';
import type { TablePlan } from '../../core/api/plan.ts';
import {
  type Builder,
  type Definition,
  addConstraint,
  buildIndexes,
  openDefinitions,
  step,
} from './definitions/build.ts';
import { buildForeignKeys } from './definitions/foreign-keys.ts';
import { bringBack } from './definitions/kept-off.ts';
import { buildPartitioned } from './definitions/partitioned.ts';
import { dividesTransactions, type PostgresSinkOptions, schemaMode } from './options.ts';
import { noteLeftOut } from './schema/left-out.ts';
import { makeOne } from './schema/restore.ts';
import { readTree } from './schema/tree.ts';
import { refreshViews } from './schema/views.ts';
import { bulkStateExists, ensureBulkState, readPhase, readTables, setTablePhase, writePhase } from './state.ts';

export interface FinishInput {
  readonly builder: Builder;
  readonly options: PostgresSinkOptions;
  readonly context: PluginContext;
  readonly plans: readonly TablePlan[];
  /** Materialized views that the source never filled. */
  readonly unfilled?: readonly { readonly schema: string; readonly name: string }[];
  /** At the cutover: foreign keys that waited for the stream are checked. */
  readonly caughtUp: boolean;
}

/** The steps that need all tables. Each step leaves a mark, so that a repetition does only the remaining ones. */
export async function finishTarget(input: FinishInput, signal: AbortSignal): Promise<void> {
  const { builder, context } = input;
  const { sessions, owner } = builder;
  const dependents = input.options.dependents;
  // A cutover may find the state of an older version.
  await sessions.query(ensureBulkState);
  await buildIndexes(builder, null, signal);
  await buildPartitioned(builder, signal);
  await stepsOf(builder, 'check', (client, definition) => addConstraint(client, definition), signal);
  const waiting = await buildForeignKeys(
    {
      builder,
      plans: input.plans,
      dependents,
      context,
      caughtUp: input.caughtUp,
      apart: dividesTransactions(input.options),
    },
    signal,
  );
  if (waiting.length > 0) {
    context.log.log(
      'info',
      'foreign-keys-wait',
      `checked at the cutover, when the stream has caught up: ${waiting.join(', ')}`,
    );
  }
  failpoint('foreign-keys-done');
  const phase = await sessions.query((client) => readPhase(client, owner));
  const relids = await sessions.query(async (client) =>
    [...(await readTables(client, owner)).values()].map((t) => t.relid),
  );
  if (phase?.phase !== 'finished') {
    await analyzeParents(input, relids);
    const create = schemaMode(input.options) === 'create';
    const except = create ? (input.unfilled ?? []) : [];
    await refreshViews(sessions, relids, { emptyOnly: create, all: create, except, signal });
  }
  // Last of all, as event triggers may fire at the steps before.
  await makeLateObjects(input);
  await sessions.transaction(async (client) => {
    await setTablePhase(client, owner, { relids, phase: 'built' });
    await client.query('DELETE FROM pgsluice.chunk WHERE pipeline = $1 AND sink = $2', [owner.pipeline, owner.sink]);
    await writePhase(client, owner, 'finished');
  }, true);
}

/**
 * Before any row was copied: restores what was set aside, on unchanged tables. False: objects of the source's schema
 * were created, and the next run continues from them.
 */
export async function putBack(input: Omit<FinishInput, 'plans' | 'caughtUp'>): Promise<boolean> {
  const { builder, options, context } = input;
  const { signal } = new AbortController();
  const phase = await builder.sessions.query(async (client) =>
    (await bulkStateExists(client)) ? readPhase(client, builder.owner) : null,
  );
  if (phase === null || (phase.phase === 'restore' && phase.restored === 0)) return true;
  if (schemaMode(options) === 'create') return false;
  await builder.sessions.query(ensureBulkState);
  await buildIndexes(builder, null, signal);
  await buildPartitioned(builder, signal);
  await stepsOf(builder, 'check', (client, definition) => addConstraint(client, definition), signal);
  await buildForeignKeys({ builder, plans: [], dependents: 'error', context, caughtUp: true }, signal);
  await builder.sessions.transaction((client) => bringBack(client, builder.owner), true);
  return true;
}

async function stepsOf(
  builder: Builder,
  kind: Definition['kind'],
  work: Parameters<typeof step>[2],
  signal: AbortSignal,
): Promise<void> {
  const open = await builder.sessions.query((client) =>
    openDefinitions(client, builder.owner, { relids: null, kinds: [kind], partitioned: false }),
  );
  for (const definition of open) {
    signal.throwIfAborted();
    failpoint(kind);
    await step(builder, definition, work);
  }
}

/** Autovacuum never analyses a partitioned table. Before 18, ANALYZE of it samples its partitions again. */
async function analyzeParents(input: FinishInput, relids: readonly number[]): Promise<void> {
  const { sessions } = input.builder;
  const { version } = await sessions.powers();
  await sessions.query(async (client) => {
    const tree = await readTree(client, relids);
    const roots = [...tree.values()].filter((node) => node.partitioned && !node.isPartition);
    for (const node of roots) await client.query(`ANALYZE ${version >= 180000 ? 'ONLY ' : ''}${node.sql}`);
  });
}

/** Event triggers of the stored dump: they would have fired at our own statements. The dump is removed with them. */
async function makeLateObjects(input: FinishInput): Promise<void> {
  const { sessions, owner } = input.builder;
  const key = [owner.pipeline, owner.sink];
  const { rows } = await sessions.query((client) =>
    client.query<{ ordinal: string; type: string; name: string; sql: string }>(
      'SELECT ordinal, type, name, sql FROM pgsluice.bulk_object WHERE pipeline = $1 AND sink = $2 AND late ORDER BY ordinal',
      key,
    ),
  );
  failpoint('late');
  await sessions.transaction(async (client) => {
    await client.query(`SET LOCAL search_path = ''`);
    await client.query('DELETE FROM pgsluice.bulk_object WHERE pipeline = $1 AND sink = $2', key);
    const how = { log: input.context.log, onError: input.options.on_restore_error } as const;
    for (const row of rows)
      await noteLeftOut(client, owner, await makeOne(client, { ...row, ordinal: Number(row.ordinal) }, how));
  });
}
