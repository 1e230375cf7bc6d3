import type pg from 'pg';
import type { PluginContext } from '../../core/api/context.ts';
import type { TablePlan } from '../../core/api/plan.ts';
import type { CutoverSink, Refreshed, SequenceDifference } from '../../core/api/sink.ts';
import type { LargeObjectDigest } from '../../core/api/snapshot.ts';
import { fencesFor, openTables } from '../../core/postgres/open-tables.ts';
import { digestLargeObjects } from '../../core/postgres/large-object-digest.ts';
import type { SequenceState } from '../../core/postgres/sequence.ts';
import { listSequences } from '../../core/postgres/sequences.ts';
import { type Builder, openDefinitions } from './definitions/build.ts';
import { anyKeptOff, bringBack } from './definitions/kept-off.ts';
import { finishTarget } from './finish.ts';
import type { PostgresSinkOptions } from './options.ts';
import { type LeftOutPart, readLeftOut } from './schema/left-out.ts';
import { refreshViews } from './schema/views.ts';
import { Semaphore } from './semaphore.ts';
import { type ParentPlace, type Places, compareSequences, pairSequences, placesOf, setSequences } from './sequences.ts';
import type { Sessions } from './sessions.ts';
import { type Owner, bulkStateExists, readTables } from './state.ts';

export class PostgresCutover implements CutoverSink {
  readonly #sessions: Sessions;
  readonly #owner: Owner;
  readonly #options: PostgresSinkOptions;
  readonly #context: PluginContext;
  #plans: readonly TablePlan[] = [];

  constructor(sessions: Sessions, options: PostgresSinkOptions, context: PluginContext) {
    this.#sessions = sessions;
    this.#options = options;
    this.#context = context;
    this.#owner = { pipeline: context.pipeline, sink: context.name };
  }

  async setSequences(
    sequences: readonly SequenceState[],
    plans: readonly TablePlan[],
    signal: AbortSignal,
  ): Promise<readonly string[]> {
    signal.throwIfAborted();
    this.#plans = plans;
    if (sequences.length === 0) return [];
    return this.#sessions.transaction(async (client) => {
      const pairs = pairSequences(sequences, await listSequences(client), await this.#places(client, plans));
      return setSequences(client, pairs);
    }, true);
  }

  async compareSequences(
    sequences: readonly SequenceState[],
    plans: readonly TablePlan[],
    signal: AbortSignal,
  ): Promise<readonly SequenceDifference[]> {
    signal.throwIfAborted();
    return this.#sessions.query(async (client) =>
      compareSequences(client, sequences, await this.#places(client, plans)),
    );
  }

  async leftOut(signal: AbortSignal): Promise<readonly LeftOutPart[]> {
    signal.throwIfAborted();
    return this.#sessions.query((client) => readLeftOut(client, this.#owner));
  }

  async #places(client: pg.Client, plans: readonly TablePlan[]): Promise<Places> {
    const parents = (await bulkStateExists(client)) ? await parentTables(client, this.#owner) : [];
    return placesOf(plans, parents);
  }

  /**
   * Builds the foreign keys that had to wait until the stream caught up, then restores what was kept off while the
   * stream wrote to the target.
   */
  async settle(signal: AbortSignal): Promise<readonly string[]> {
    const kinds = ['foreign key'] as const;
    const { open, off } = await this.#sessions.query(async (client) => {
      if (!(await bulkStateExists(client))) return { open: [], off: false };
      const waiting = await openDefinitions(client, this.#owner, { relids: null, kinds, partitioned: false });
      return { open: waiting, off: await anyKeptOff(client, this.#owner) };
    });
    const done = open.map((key) => `foreign key ${key.name} of ${key.table} checked`);
    if (open.length > 0) {
      const workers = new Semaphore(this.#options.index_workers);
      const builder: Builder = { sessions: this.#sessions, owner: this.#owner, workers };
      const input = { builder, options: this.#options, context: this.#context, plans: this.#plans, caughtUp: true };
      await finishTarget(input, signal);
    }
    if (!off) return done;
    const back = await this.#sessions.transaction((client) => bringBack(client, this.#owner), true);
    return [...done, ...back.map((statement) => `put back: ${statement}`)];
  }

  open(signal: AbortSignal): Promise<readonly string[]> {
    signal.throwIfAborted();
    return this.#sessions.query(async (client) => {
      const done: string[] = [];
      for (const name of await fencesFor(client, this.#owner.pipeline))
        done.push(`${await openTables(client, name)} tables opened to writes again`);
      return done;
    });
  }

  async largeObjects(signal: AbortSignal): Promise<LargeObjectDigest | null> {
    const { schema, large_objects: wanted } = this.#options;
    if ((wanted ?? ((schema ?? 'create') === 'create' ? 'copy' : 'skip')) === 'skip') return null;
    return this.#sessions.query((client) => digestLargeObjects(client, signal));
  }

  async refresh(signal: AbortSignal): Promise<Refreshed> {
    const settled = await this.settle(signal);
    const { done, failed } = await this.refreshViews(signal);
    return { done: [...settled, ...done], failed };
  }

  async refreshViews(signal: AbortSignal): Promise<Refreshed> {
    const tables = await this.#sessions.query(async (client) =>
      (await bulkStateExists(client)) ? readTables(client, this.#owner) : null,
    );
    const relids = [...(tables?.values() ?? [])].map((table) => table.relid);
    const failed: Refreshed['failed'][number][] = [];
    const views = await refreshViews(this.#sessions, relids, {
      emptyOnly: false,
      all: false,
      filledOnly: true,
      onFailure: (view, { message }) => failed.push({ view, why: message }),
      signal,
    });
    return { done: views.map((view) => `materialized view ${view} refreshed`), failed };
  }
}

/**
 * Partitioned tables have no plan: their present place is in the state, and their columns are those of any partition.
 */
async function parentTables(client: pg.Client, owner: Owner): Promise<readonly ParentPlace[]> {
  const { rows } = await client.query<{ source: string; schema: string; name: string; leaf: string | null }>(
    `SELECT t.source, n.nspname AS schema, c.relname AS name,
            (SELECT l.source FROM pg_partition_tree(t.relid) p JOIN pgsluice.bulk_table l ON l.relid = p.relid
             WHERE l.pipeline = $1 AND l.sink = $2 AND l.phase <> 'parent' LIMIT 1) AS leaf
     FROM pgsluice.bulk_table t JOIN pg_class c ON c.oid = t.relid JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE t.pipeline = $1 AND t.sink = $2 AND t.phase = 'parent'`,
    [owner.pipeline, owner.sink],
  );
  return rows;
}
