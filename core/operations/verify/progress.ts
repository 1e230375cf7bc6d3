import { createHash, randomUUID } from 'node:crypto';
import type { CheckpointMap, CheckpointStore, Json } from '../../api/checkpoint.ts';
import type { Logger } from '../../base/logger.ts';
import { formatLsn } from '../../postgres/lsn.ts';
import type { TablePlan } from '../../api/plan.ts';
import { relationName } from '../../postgres/relation.ts';
import type { PipelineState } from '../../pipeline/state/pipeline-state.ts';
import type { TableQueries } from './queries.ts';
import { type Notes, TableProgress } from './table-progress.ts';

const format = 1;
/** Milliseconds after its last note in which an interrupted verification is gone on with; later it starts over. */
export const keptFor = 3_600_000;

export interface ProgressOptions {
  readonly store: CheckpointStore;
  readonly state: PipelineState;
  readonly log: Logger;
  /** Names that were asked for; null: all. A verification goes on with one of the same choice only. */
  readonly only: readonly string[] | null;
  /** What an earlier one left is forgotten. */
  readonly fresh: boolean;
}

/**
 * What a verification has found so far, noted so that it can be interrupted. Only what was found **equal** is ever taken over
 * by the next process, as what it is: equal at the position at which it was compared. What differed is compared again.
 * A result holds for one plan of the table, one copy of it, one slot and one pair of databases: see {@link VerifyProgress.table}.
 * A cutover decides by what is true now, and has none of this.
 */
export class VerifyProgress implements Notes {
  /** When the verification that this one goes on with began, in milliseconds; null: from the start. */
  readonly begun: number | null;
  readonly #map: CheckpointMap;
  readonly #options: ProgressOptions;
  readonly #scope: string;
  readonly #values: Map<string, Json>;
  readonly #since: number;
  #lost = false;

  private constructor(map: CheckpointMap, options: ProgressOptions, values: Map<string, Json>) {
    this.#map = map;
    this.#options = options;
    this.#values = values;
    this.#scope = scopeOf(options.only);
    this.begun = options.fresh ? null : begunOf(values.get(`${this.#scope}/head`), Date.now());
    this.#since = this.begun ?? Date.now();
  }

  /** Null where the store has no place for it, or the place cannot be read: then a verification that is interrupted starts over. */
  static async open(options: ProgressOptions): Promise<VerifyProgress | null> {
    const map = options.store.beside?.();
    if (map === undefined) return null;
    try {
      const progress = new VerifyProgress(map, options, new Map(await map.load()));
      if (progress.begun === null) await progress.forget();
      return progress;
    } catch (error) {
      warn(options.log, notNoted, error);
      return null;
    }
  }

  /** Everything that a result depends on is in the mark: another plan, copy, slot or database has another one. */
  table(
    sink: string,
    plan: TablePlan,
    of: { readonly queries: TableQueries; readonly databases: Json },
  ): TableProgress {
    const { head } = this.#options.state;
    const table = relationName(plan.source);
    const copied = this.#options.state.table(sink, table)?.exactAt ?? null;
    const mark = digestOf([
      format,
      head?.phase ?? null,
      head === null || head.handoff === null ? null : formatLsn(head.handoff),
      copied === null ? null : formatLsn(copied),
      sink,
      of.databases,
      plan.source.oid,
      [plan.source, plan.output].map(({ columns }) => columns.map((column) => [column.name, column.typeName])),
      [of.queries.source, of.queries.target],
    ]);
    return new TableProgress(this, `${sink}/${table}`, mark);
  }

  get(key: string): Json {
    return this.#values.get(`${this.#scope}/${key}`) ?? null;
  }

  /** Durable when it resolves. What cannot be noted is compared again some time: no reason to end a comparison. */
  async put(entries: Readonly<Record<string, Json>>): Promise<void> {
    const head = { format, begun: this.#since, noted: Date.now() };
    const all = Object.entries({ ...entries, head }).map(([key, value]) => [`${this.#scope}/${key}`, value] as const);
    for (const [key, value] of all) {
      if (value === null) this.#values.delete(key);
      else this.#values.set(key, value);
    }
    if (this.#lost) return;
    try {
      await this.#map.save(new Map(all));
    } catch (error) {
      this.#lost = true;
      warn(this.#options.log, notNoted, error);
    }
  }

  /** The verification is at its end: the next one starts over. */
  async forget(): Promise<void> {
    const keys = [...this.#values.keys()].filter((key) => key.startsWith(`${this.#scope}/`));
    for (const key of keys) this.#values.delete(key);
    if (keys.length === 0) return;
    try {
      await this.#map.save(new Map(keys.map((key) => [key, null])));
    } catch (error) {
      warn(this.#options.log, 'what was noted of this verification could not be removed', error);
    }
  }

  newId(): string {
    return randomUUID();
  }
}

function scopeOf(only: readonly string[] | null): string {
  return only === null ? 'verify:all' : `verify:${digestOf([...new Set(only)].sort()).slice(0, 16)}`;
}

function begunOf(head: Json | undefined, now: number): number | null {
  if (head === undefined || head === null || typeof head !== 'object' || Array.isArray(head)) return null;
  const { format: written, begun, noted } = head as { readonly [key: string]: Json };
  if (written !== format || typeof begun !== 'number' || typeof noted !== 'number') return null;
  return now - noted < keptFor ? begun : null;
}

function digestOf(value: Json | readonly unknown[]): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('hex');
}

const notNoted = 'when this verification is interrupted, the next starts over';

function warn(log: Logger, what: string, error: unknown): void {
  log.log('warn', 'verify-not-noted', `${what}: ${error instanceof Error ? error.message : String(error)}`);
}
