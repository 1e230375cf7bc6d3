import type pg from 'pg';
import type { PluginContext } from '../../core/api/context.ts';
import type { TablePlan } from '../../core/api/plan.ts';
import { relationName } from '../../core/postgres/relation.ts';
import type { CutoverSink } from '../../core/api/sink.ts';
import type { SequenceState } from '../../core/api/snapshot.ts';
import { qualified } from '../../core/postgres/quote.ts';
import { type Builder, openDefinitions } from './definitions/build.ts';
import { finishTarget } from './finish.ts';
import type { BulkOptions } from './options.ts';
import { refreshViews } from './schema/views.ts';
import { Semaphore } from './semaphore.ts';
import type { Sessions } from './sessions.ts';
import { type Owner, bulkStateExists, readTables } from './state.ts';

/** Where a sequence of the source is looked for: by the column that owns it, and by its own name. */
interface Wanted {
  readonly sequence: SequenceState;
  readonly table: string | null;
  readonly column: string | null;
}

export class PostgresCutover implements CutoverSink {
  readonly #sessions: Sessions;
  readonly #owner: Owner;
  readonly #options: BulkOptions;
  readonly #context: PluginContext;
  #plans: readonly TablePlan[] = [];

  constructor(sessions: Sessions, options: BulkOptions, context: PluginContext) {
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
      const parents = (await bulkStateExists(client))
        ? await parentTables(client, this.#owner)
        : new Map<string, string>();
      const wanted = sequences.map((sequence) => locate(sequence, plans, parents));
      return setAll(client, wanted);
    }, true);
  }

  /** The foreign keys that had to wait until the stream caught up. */
  async settle(signal: AbortSignal): Promise<readonly string[]> {
    const kinds = ['foreign key'] as const;
    const open = await this.#sessions.query(async (client) =>
      (await bulkStateExists(client))
        ? openDefinitions(client, this.#owner, { relids: null, kinds, partitioned: false })
        : [],
    );
    if (open.length === 0) return [];
    const workers = new Semaphore(this.#options.index_workers ?? 2);
    const builder: Builder = { sessions: this.#sessions, owner: this.#owner, workers };
    const more = { builder, options: this.#options, context: this.#context, plans: this.#plans, caughtUp: true };
    await finishTarget(more, signal);
    return open.map((key) => `foreign key ${key.name} of ${key.table} checked`);
  }

  async refresh(signal: AbortSignal): Promise<readonly string[]> {
    const done = await this.settle(signal);
    const tables = await this.#sessions.query(async (client) =>
      (await bulkStateExists(client)) ? readTables(client, this.#owner) : null,
    );
    const relids = [...(tables?.values() ?? [])].map((table) => table.relid);
    const views = await refreshViews(this.#sessions, relids, {
      emptyOnly: false,
      all: false,
      filledOnly: true,
      signal,
    });
    return [...done, ...views.map((view) => `materialized view ${view} refreshed`)];
  }
}

/** Partitioned tables have no plan; where they are now is in the state. Source name to SQL name. */
async function parentTables(client: pg.Client, owner: Owner): Promise<ReadonlyMap<string, string>> {
  const { rows } = await client.query<{ source: string; name: string }>(
    `SELECT source, relid::regclass::text AS name FROM pgsluice.bulk_table WHERE pipeline = $1 AND sink = $2 AND phase = 'parent'`,
    [owner.pipeline, owner.sink],
  );
  return new Map(rows.map((row) => [row.source, row.name]));
}

function locate(sequence: SequenceState, plans: readonly TablePlan[], parents: ReadonlyMap<string, string>): Wanted {
  const owned = sequence.ownedBy;
  if (owned === null) return { sequence, table: null, column: null };
  const source = `${owned.schema}.${owned.table}`;
  const plan = plans.find((candidate) => relationName(candidate.source) === source);
  const table = plan === undefined ? (parents.get(source) ?? null) : qualified(plan.output);
  // A partitioned table has the columns of any of its partitions' plans; its own name for the column where none renames it.
  const column = plan?.projection.columns.find((c) => c.from === owned.column)?.name ?? owned.column;
  return { sequence, table, column };
}

/** One query for all. A sequence that the target does not have is named, not passed over. */
async function setAll(client: pg.Client, wanted: readonly Wanted[]): Promise<string[]> {
  const { rows } = await client.query<{ name: string; found: string | null; value: string }>(
    `WITH w AS (
       SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::boolean[], $5::text[], $6::text[])
         WITH ORDINALITY AS w (schema, name, last, called, tbl, col, i)
     ), found AS (
       SELECT w.*, coalesce(
         (SELECT d.objid FROM pg_attribute a JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = a.attrelid
            AND d.refobjsubid = a.attnum AND d.classid = 'pg_class'::regclass AND d.deptype IN ('a', 'i')
          JOIN pg_class s ON s.oid = d.objid AND s.relkind = 'S'
          WHERE a.attrelid = to_regclass(w.tbl) AND a.attname = w.col AND NOT a.attisdropped LIMIT 1),
         (SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
          WHERE n.nspname = w.schema AND c.relname = w.name AND c.relkind = 'S')) AS seq
       FROM w
     )
     SELECT schema || '.' || name AS name, seq::regclass::text AS found,
            CASE WHEN seq IS NOT NULL THEN setval(seq::regclass, last, called)::text END AS value
     FROM found ORDER BY i`,
    [
      wanted.map((w) => w.sequence.schema),
      wanted.map((w) => w.sequence.name),
      wanted.map((w) => String(w.sequence.lastValue)),
      wanted.map((w) => w.sequence.isCalled),
      wanted.map((w) => w.table),
      wanted.map((w) => w.column),
    ],
  );
  return rows.map((row) =>
    row.found === null
      ? `sequence ${row.name} is not in the target: nothing set`
      : `sequence ${row.found} = ${row.value}`,
  );
}
