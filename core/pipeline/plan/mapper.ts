import type { Change, MessageChange, RowChange, StreamBatch, TruncateChange } from '../../api/change.ts';
import type { PgsluiceError } from '../../base/error.ts';
import type { ChangeMapper, MapperPace, TablePlan } from '../../api/plan.ts';
import { type Oid, type Relation, relationName } from '../../postgres/relation.ts';
import { type Binding, bindRelation } from './binding.ts';
import type { Fetched } from './change-map.ts';
import { carryOut } from './ddl/carry-out.ts';
import { decodeDdl } from './ddl/message.ts';
import { planError } from './errors.ts';
import { failed, mapFailure, withFailure } from './map-failure.ts';
import { planTable } from './plan-table.ts';
import { type Bindings, type FetchRows, Refetch, type Segment } from './refetch.ts';
import type { PlanInput } from './types.ts';

/** A mapper that also reports its present output, including after DDL. */
export interface PlannedMapper extends ChangeMapper {
  outputs(): readonly { readonly source: string; readonly output: Relation }[];
  /**
   * From here on the table has this shape on the source; null: its changes no longer concern the sink. Throws errors of
   * planning.
   */
  redefine(oid: Oid, relation: Relation | null): void;
  /** From here on `accept` is called for each failure. Returns the mapper itself. */
  accepting(accept: Accept): PlannedMapper;
}

/**
 * Called when a change could not be mapped: null if it can be mapped now, else the error to throw. `begun`: rows of the
 * same transaction were output before the change.
 */
export type Accept = (error: unknown, change: Change, begun: boolean) => Promise<unknown>;

/** Maps the stream's changes for one sink, by plans made from the same input. */
export function createMapper(input: PlanInput, plans: readonly TablePlan[], fetch?: FetchRows): PlannedMapper {
  return new Mapper(input, plans, fetch ?? null);
}

interface Planned {
  readonly source: Relation;
  readonly plan: TablePlan | null;
}

class Mapper implements PlannedMapper, Bindings {
  readonly #input: PlanInput;
  #tails: boolean;
  /** Null: values that were not sent are never fetched. */
  #refetch: Refetch | null;
  readonly #fetch: FetchRows | null;
  #fetched: ReadonlyMap<Change, Fetched> | null = null;
  /** Null: no longer in this pipeline. */
  readonly #byOid = new Map<Oid, Planned | null>();
  /**
   * Keyed on the relation object: a changed shape is another object, so no row uses a binding made for another shape.
   */
  readonly #bindings = new Map<Relation, Binding | null>();
  /** The last relation seen, as neighbours are mostly of one table. */
  #relation: Relation | null = null;
  /** Cells are bytes that mapping must not read. */
  #bytes = false;
  #binding: Binding | null = null;
  readonly #outputs = new Map<string, Relation>();
  #accept: Accept | null = null;
  /**
   * Transaction of the last change that was output, if failures may be accepted: the transaction may continue in the
   * next batch.
   */
  #last: bigint | null = null;

  constructor(input: PlanInput, plans: readonly TablePlan[], fetch: FetchRows | null) {
    this.#input = input;
    this.#fetch = fetch;
    this.#refetch = fetch !== null && plans.some((plan) => plan.refetch === true) ? new Refetch(fetch, this) : null;
    this.#tails = plans.some((plan) => plan.tail !== null);
    const byName = new Map(plans.map((plan) => [relationName(plan.source), plan]));
    for (const { relation } of input.tables) {
      const plan = byName.get(relationName(relation)) ?? null;
      this.#byOid.set(relation.oid, { source: relation, plan });
      if (plan !== null) this.#outputs.set(relationName(relation), plan.output);
    }
  }

  outputs(): readonly { readonly source: string; readonly output: Relation }[] {
    return [...this.#outputs].map(([source, output]) => ({ source, output }));
  }

  get pace(): MapperPace | null {
    return this.#refetch;
  }

  accepting(accept: Accept): this {
    this.#accept = accept;
    return this;
  }

  map(
    changes: readonly Change[],
    values: StreamBatch['values'] = 'text',
  ): readonly Change[] | Promise<readonly Change[]> {
    return this.#accept === null ? this.#mapBatch(changes, values) : this.#mapOrAccept(changes, values, this.#accept);
  }

  async #mapOrAccept(
    changes: readonly Change[],
    values: StreamBatch['values'],
    accept: Accept,
  ): Promise<readonly Change[]> {
    let out: readonly Change[] | null = null;
    let rest = changes;
    for (;;) {
      try {
        const mapped = await this.#mapBatch(rest, values);
        this.#last = rest.at(-1)?.tx.finalLsn ?? this.#last;
        return out === null ? mapped : out.concat(mapped);
      } catch (error) {
        const failure = mapFailure(error);
        if (failure === null) throw error;
        out = out === null ? failure.done.slice() : out.concat(failure.done);
        rest = rest.slice(failure.index);
        const { finalLsn } = failure.change.tx;
        const begun = this.#last === finalLsn || out.some((each) => isRowOf(each, finalLsn));
        const refused = await accept(error, failure.change, begun);
        if (refused !== null) throw withFailure(refused, { ...failure, done: out });
      }
    }
  }

  #mapBatch(changes: readonly Change[], values: StreamBatch['values']): readonly Change[] | Promise<readonly Change[]> {
    const bytes = values === 'binary';
    if (bytes !== this.#bytes) this.#relation = null;
    this.#bytes = bytes;
    if (this.#refetch === null) return this.#mapAll(changes);
    this.#refetch.begin();
    const first = this.#refetch.segment(changes, 0);
    if (first.end >= changes.length && first.lacking.length === 0) return this.#mapAll(changes);
    return this.#mapSegments(changes, this.#refetch, first);
  }

  async #mapSegments(changes: readonly Change[], refetch: Refetch, first: Segment): Promise<readonly Change[]> {
    let out: readonly Change[] = [];
    let from = 0;
    for (let segment = first; from < changes.length; segment = refetch.segment(changes, from)) {
      try {
        if (segment.lacking.length > 0) this.#fetched = await refetch.fetch(segment.lacking);
        out = out.concat(await this.#mapAll(changes.slice(from, segment.end)));
      } catch (error) {
        const failure = mapFailure(error);
        if (failure === null) throw error;
        throw withFailure(error, { ...failure, index: from + failure.index, done: out.concat(failure.done) });
      } finally {
        this.#fetched = null;
      }
      from = segment.end;
    }
    return out;
  }

  #mapAll(changes: readonly Change[]): readonly Change[] | Promise<readonly Change[]> {
    return this.#tails && changes.some((change) => this.#hasTail(change))
      ? this.#mapWithTails(changes)
      : this.#mapDirect(changes);
  }

  #hasTail(change: Change): boolean {
    if (change.kind === 'message' || change.kind === 'truncate') return false;
    const binding = this.bound(change.relation, change);
    return binding !== null && binding.tail !== null;
  }

  /** The input itself as long as every change is output unchanged; a copy from the first one that is not. */
  #mapDirect(changes: readonly Change[]): readonly Change[] {
    let out: Change[] | null = null;
    let i = 0;
    try {
      for (; i < changes.length; i++) {
        const change = changes[i] as Change;
        const mapped = this.#one(change);
        if (out === null) {
          if (mapped === change) continue;
          out = changes.slice(0, i);
        }
        if (mapped !== null) out.push(mapped);
      }
    } catch (error) {
      throw withFailure(error, { change: changes[i] as Change, index: i, done: out ?? changes.slice(0, i) });
    }
    return out ?? changes;
  }

  /** Order is kept: a run of changes of one table goes through its tail before the next change is looked at. */
  async #mapWithTails(changes: readonly Change[]): Promise<readonly Change[]> {
    const out: Change[] = [];
    const run = new TailRun(out, this.#input);
    for (const [index, change] of changes.entries()) {
      let mapped: Change | null;
      try {
        mapped = this.#one(change);
      } catch (error) {
        await run.flush();
        throw withFailure(error, { change, index, done: out });
      }
      if (mapped === null) continue;
      const next = change.kind === 'message' || change.kind === 'truncate' ? null : (this.#binding?.tail ?? null);
      await run.turnTo(next);
      if (next === null) out.push(mapped);
      else run.add(mapped as RowChange, change, index);
    }
    await run.flush();
    return out;
  }

  redefine(oid: Oid, relation: Relation | null): void {
    const before = this.#byOid.get(oid) ?? null;
    const plan = relation === null ? null : this.#planned(relation);
    if (before !== null) this.#outputs.delete(relationName(before.source));
    this.#byOid.set(oid, relation === null ? null : { source: relation, plan });
    if (relation !== null && plan !== null) this.#outputs.set(relationName(relation), plan.output);
    for (const other of this.#bindings.keys()) if (other.oid === oid) this.#bindings.delete(other);
    this.#relation = null;
    if (plan !== null && plan.tail !== null) this.#tails = true;
    if (plan?.refetch === true && this.#fetch !== null) this.#refetch ??= new Refetch(this.#fetch, this);
  }

  #planned(relation: Relation): TablePlan | null {
    const { plan, problems } = planTable(relation, this.#input);
    if (problems[0] !== undefined) throw problems[0];
    return plan;
  }

  #one(change: Change): Change | null {
    if (change.kind === 'message') return this.#message(change);
    if (change.kind === 'truncate') return this.#truncate(change);
    const binding = change.relation === this.#relation ? this.#binding : this.bound(change.relation, change);
    if (binding === null || binding.map.passes) return binding === null ? null : change;
    try {
      return binding.map.map(change, this.#fetched?.get(change));
    } catch (error) {
      throw failed(error, change, this.#input);
    }
  }

  #message(change: MessageChange): Change | null {
    const { followDdl, sink } = this.#input;
    const message = followDdl === undefined ? null : decodeDdl(change, followDdl);
    if (message === null) return sink.traits.messages ? change : null;
    try {
      const schema = carryOut({
        message,
        input: this.#input,
        known: (oid) => this.#byOid.get(oid),
        redefine: (oid, relation) => this.redefine(oid, relation),
      });
      return schema === null || sink.traits.schemaChanges !== true ? null : { ...change, schema };
    } catch (error) {
      throw failed(error, change, this.#input);
    }
  }

  /** A filtered table is truncated, too: its target holds only rows of the source. */
  #truncate(change: TruncateChange): TruncateChange | null {
    const relations: Relation[] = [];
    let same = true;
    for (const relation of change.relations) {
      const binding = this.bound(relation, change);
      if (binding === null || binding.output !== relation) same = false;
      if (binding !== null) relations.push(binding.output);
    }
    if (same) return change;
    return relations.length === 0 ? null : { ...change, relations };
  }

  known(relation: Relation): boolean {
    return this.#bindings.has(relation);
  }

  bound(relation: Relation, change: Change): Binding | null {
    if (relation === this.#relation) return this.#binding;
    let binding = this.#bindings.get(relation);
    if (binding === undefined) {
      binding = this.#bind(relation, change);
      this.#bindings.set(relation, binding);
    }
    if (this.#bytes && binding !== null && !binding.passesBytes) {
      throw failed(planError('PGS4020', 'its values cannot be passed on as bytes'), change, this.#input);
    }
    this.#relation = relation;
    this.#binding = binding;
    return binding;
  }

  #bind(relation: Relation, change: Change): Binding | null {
    try {
      const planned = this.#byOid.get(relation.oid);
      if (planned === null) return null;
      if (planned === undefined && relation.outside === true) return null;
      if (planned === undefined) throw this.#unplanned(relation);
      const historic = this.#input.catalogAt !== undefined && change.lsn < this.#input.catalogAt;
      const binding = bindRelation({
        relation,
        ...planned,
        input: this.#input,
        historic,
        fetches: this.#fetch !== null,
      });
      if (binding !== null) {
        this.#forget(relation);
        this.#outputs.set(relationName(planned.source), binding.output);
      }
      return binding;
    } catch (error) {
      throw failed(error, change, this.#input);
    }
  }

  /** Drops bindings of the table's older shapes: the stream does not return to them. */
  #forget(relation: Relation): void {
    for (const other of this.#bindings.keys()) if (other.oid === relation.oid) this.#bindings.delete(other);
  }

  #unplanned(relation: Relation): PgsluiceError {
    const name = relationName(relation);
    const again = this.#input.tables.some((table) => relationName(table.relation) === name);
    return planError(
      'PGS4014',
      again ? 'the table was dropped and created again' : 'the table was not there when the pipeline was planned',
      { where: { table: name } },
    );
  }
}

function isRowOf(change: Change, finalLsn: bigint): boolean {
  return change.tx.finalLsn === finalLsn && change.kind !== 'message';
}

/** Neighbouring changes of one table on their way through its tail. */
class TailRun {
  readonly #out: Change[];
  readonly #input: PlanInput;
  #tail: Binding['tail'] = null;
  #pending: RowChange[] = [];
  #first: { readonly change: Change; readonly index: number } | null = null;

  constructor(out: Change[], input: PlanInput) {
    this.#out = out;
    this.#input = input;
  }

  /** Changes that wait for another tail pass through it first. */
  async turnTo(tail: Binding['tail']): Promise<void> {
    if (tail !== this.#tail) await this.flush();
    this.#tail = tail;
  }

  add(mapped: RowChange, change: Change, index: number): void {
    this.#first ??= { change, index };
    this.#pending.push(mapped);
  }

  async flush(): Promise<void> {
    const first = this.#first;
    if (first === null || this.#tail === null) return;
    const pending = this.#pending;
    this.#pending = [];
    this.#first = null;
    try {
      for (const made of await this.#tail.changes(pending)) this.#out.push(made);
    } catch (error) {
      const failure = failed(error, pending[0] as RowChange, this.#input);
      throw withFailure(failure, { ...first, done: this.#out });
    }
  }
}
