import type { Change, StreamBatch } from '../../../core/api/change.ts';
import type { Logger } from '../../../core/base/logger.ts';
import type { Relation } from '../../../core/postgres/relation.ts';
import { keepOff } from '../definitions/kept-off.ts';
import type { Owner } from '../state.ts';
import type { ApplySession } from './session.ts';
import { type TargetShape, shapeOf } from './identity.ts';
import { readTargetTables, refuseOtherForms } from './target-table.ts';

const maxShapes = 20_000;

/** What is known of the target's tables, by relation of the stream. Learnt when a relation first comes. */
export class TargetShapes {
  readonly #session: ApplySession;
  readonly #owner: Owner;
  readonly #log: Logger;
  #known = new Map<Relation, TargetShape>();

  constructor(session: ApplySession, owner: Owner, log: Logger) {
    this.#session = session;
    this.#owner = owner;
    this.#log = log;
  }

  get(relation: Relation): TargetShape {
    return this.#known.get(relation) as TargetShape;
  }

  knows(changes: readonly Change[]): boolean {
    return unseenIn(changes, this.#known).size === 0;
  }

  /** The target may have been altered: everything is learnt again. */
  forget(): void {
    this.#known.clear();
    this.#session.prepared.forget();
  }

  /**
   * Reads the target's catalog for relations that are new, in one round trip. What acts on rows of their tables is turned off first;
   * `open`: within the transaction that goes on.
   */
  async learn({ changes, values }: StreamBatch, open: boolean): Promise<void> {
    // Those that the source replaced are not asked for again.
    if (this.#known.size > maxShapes) this.forget();
    const unseen = [...unseenIn(changes, this.#known)];
    if (unseen.length === 0) return;
    const { client, enforced } = this.#session;
    const tables = await readTargetTables(client, unseen);
    const acting = [...tables.values()].filter(({ acts }) => acts).map(({ oid }) => oid);
    if (acting.length > 0) await this.#quieten(acting, open);
    const binary = values === 'binary';
    for (const [relation, table] of tables) {
      if (binary) refuseOtherForms(relation, table);
      this.#known.set(relation, shapeOf(relation, table, { enforced, binary }));
    }
  }

  async #quieten(relids: readonly number[], open: boolean): Promise<void> {
    const { client } = this.#session;
    if (open) return keepOff(client, this.#owner, relids, this.#log);
    await client.query('BEGIN');
    try {
      await keepOff(client, this.#owner, relids, this.#log);
      await client.query('COMMIT');
    } catch (error) {
      await client.query('ROLLBACK');
      throw error;
    }
  }

  /** Oids for {@link stillTrue}, of the tables that the changes are for. */
  facts(changes: readonly Change[]): readonly [tables: string, partitioned: string, indexes: string] | null {
    const tables = new Set<number>();
    const partitioned = new Set<number>();
    const indexes = new Set<number>();
    for (const relation of relationsOf(changes)) {
      const { table, identity } = this.get(relation);
      tables.add(table.oid);
      if (table.partitioned) partitioned.add(table.oid);
      if (identity.index !== null) indexes.add(identity.index);
    }
    if (tables.size === 0) return null;
    return [literal(tables), literal(partitioned), literal(indexes)];
  }
}

const literal = (oids: ReadonlySet<number>) => `{${[...oids].join(',')}}`;

/** Position of the first change that carries DDL; -1: none does. */
export function nextSchema(changes: readonly Change[]): number {
  for (let i = 0; i < changes.length; i++) {
    const change = changes[i] as Change;
    if (change.kind === 'message' && change.schema !== undefined) return i;
  }
  return -1;
}

/** The relations of these changes, each once. */
export function relationsOf(changes: readonly Change[]): Set<Relation> {
  const found = new Set<Relation>();
  let last: Relation | null = null;
  for (const change of changes) {
    if (change.kind === 'message') continue;
    if (change.kind === 'truncate') for (const relation of change.relations) found.add(relation);
    else if (change.relation !== last) {
      last = change.relation;
      found.add(last);
    }
  }
  return found;
}

/** Relations of these changes of which nothing is known. */
export function unseenIn(changes: readonly Change[], known: ReadonlyMap<Relation, unknown>): Set<Relation> {
  const unseen = relationsOf(changes);
  for (const relation of unseen) if (known.has(relation)) unseen.delete(relation);
  return unseen;
}

/**
 * Which tables have lately failed set-wise (a second unique key whose values move between rows, row-level security that
 * refuses COPY): they go in order for some batches, for more of them each time, so that a batch is not done twice over
 * and over.
 */
export class SetWiseFailures {
  #batch = 0;
  readonly #tables = new Map<string, { readonly until: number; readonly failures: number }>();

  failed(table: string): void {
    const failures = (this.#tables.get(table)?.failures ?? 0) + 1;
    this.#tables.set(table, { until: this.#batch + 8 * 2 ** Math.min(failures, 7), failures });
  }

  distrusted(table: string): boolean {
    const known = this.#tables.get(table);
    return known !== undefined && this.#batch < known.until;
  }

  batchDone(): void {
    this.#batch++;
  }
}
