import type { Change, RowChange, TruncateChange } from '../api/change.ts';
import { PgsluiceError } from '../api/error.ts';
import { formatLsn } from '../api/lsn.ts';
import type { ChangeMapper, TablePlan } from '../api/plan.ts';
import { type Relation, relationName } from '../api/relation.ts';
import { type Binding, bindRelation } from './binding.ts';
import { planError } from './errors.ts';
import { identityFull } from './notes.ts';
import type { PlanInput } from './types.ts';

/** A mapper that also tells what it puts out now, after DDL, too. */
export interface PlannedMapper extends ChangeMapper {
  outputs(): readonly { readonly source: string; readonly output: Relation }[];
}

/** Maps the stream's changes for one sink, by the plans that were made from the same input. */
export function createMapper(input: PlanInput, plans: readonly TablePlan[]): PlannedMapper {
  return new Mapper(input, plans);
}

interface Planned {
  readonly source: Relation;
  readonly plan: TablePlan | null;
}

class Mapper implements PlannedMapper {
  readonly #input: PlanInput;
  readonly #tails: boolean;
  readonly #byOid = new Map<number, Planned>();
  /** Keyed on the relation object: a changed shape is another object, so no row meets a binding made for another shape. */
  readonly #bindings = new Map<Relation, Binding | null>();
  /** The last relation seen, as neighbours are mostly of one table. */
  #relation: Relation | null = null;
  #binding: Binding | null = null;
  readonly #outputs = new Map<string, Relation>();

  constructor(input: PlanInput, plans: readonly TablePlan[]) {
    this.#input = input;
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

  map(changes: readonly Change[]): readonly Change[] | Promise<readonly Change[]> {
    return this.#tails && changes.some((change) => this.#hasTail(change))
      ? this.#mapWithTails(changes)
      : this.#mapDirect(changes);
  }

  #hasTail(change: Change): boolean {
    if (change.kind === 'message' || change.kind === 'truncate') return false;
    const binding = this.#bound(change.relation, change);
    return binding !== null && binding.tail !== null;
  }

  /** The input itself as long as every change comes out as it went in; a copy from the first that does not. */
  #mapDirect(changes: readonly Change[]): readonly Change[] {
    let out: Change[] | null = null;
    for (let i = 0; i < changes.length; i++) {
      const change = changes[i] as Change;
      const mapped = this.#one(change);
      if (out === null) {
        if (mapped === change) continue;
        out = changes.slice(0, i);
      }
      if (mapped !== null) out.push(mapped);
    }
    return out ?? changes;
  }

  /** Order is kept: a run of changes of one table goes through its tail before the next change is looked at. */
  async #mapWithTails(changes: readonly Change[]): Promise<readonly Change[]> {
    const out: Change[] = [];
    let run: RowChange[] = [];
    let tail: Binding['tail'] = null;
    const flush = async (): Promise<void> => {
      const [first] = run;
      if (first === undefined || tail === null) return;
      const pending = run;
      run = [];
      try {
        for (const made of await tail.changes(pending)) out.push(made);
      } catch (error) {
        throw failed(error, first, this.#input);
      }
    };
    for (const change of changes) {
      const mapped = this.#one(change);
      if (mapped === null) continue;
      const next = change.kind === 'message' || change.kind === 'truncate' ? null : (this.#binding?.tail ?? null);
      if (next !== tail) await flush();
      tail = next;
      if (next === null) out.push(mapped);
      else run.push(mapped as RowChange);
    }
    await flush();
    return out;
  }

  #one(change: Change): Change | null {
    if (change.kind === 'message') return this.#input.sink.traits.messages ? change : null;
    if (change.kind === 'truncate') return this.#truncate(change);
    const binding = change.relation === this.#relation ? this.#binding : this.#bound(change.relation, change);
    if (binding === null || binding.map.passes) return binding === null ? null : change;
    try {
      return binding.map.map(change);
    } catch (error) {
      throw failed(error, change, this.#input);
    }
  }

  /** A filtered table is emptied, too: its target holds nothing but rows of the source. */
  #truncate(change: TruncateChange): TruncateChange | null {
    const relations: Relation[] = [];
    let same = true;
    for (const relation of change.relations) {
      const binding = this.#bound(relation, change);
      if (binding === null || binding.output !== relation) same = false;
      if (binding !== null) relations.push(binding.output);
    }
    if (same) return change;
    return relations.length === 0 ? null : { ...change, relations };
  }

  #bound(relation: Relation, change: Change): Binding | null {
    if (relation === this.#relation) return this.#binding;
    let binding = this.#bindings.get(relation);
    if (binding === undefined) {
      binding = this.#bind(relation, change);
      this.#bindings.set(relation, binding);
    }
    this.#relation = relation;
    this.#binding = binding;
    return binding;
  }

  #bind(relation: Relation, change: Change): Binding | null {
    try {
      const planned = this.#byOid.get(relation.oid);
      if (planned === undefined) throw this.#unplanned(relation);
      const historic = this.#input.catalogAt !== undefined && change.lsn < this.#input.catalogAt;
      const binding = bindRelation({ relation, ...planned, input: this.#input, historic });
      if (binding !== null) {
        this.#forget(relation);
        this.#outputs.set(relationName(planned.source), binding.output);
      }
      return binding;
    } catch (error) {
      throw failed(error, change, this.#input);
    }
  }

  /** Bindings of older shapes of the table: the stream does not come back to them. */
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

/** Names table and position; a value that was not sent says which statement would have it sent. */
function failed(error: unknown, change: Change, input: PlanInput): PgsluiceError {
  const relation =
    change.kind === 'truncate' ? change.relations[0] : change.kind === 'message' ? undefined : change.relation;
  const table = relation === undefined ? {} : { table: relationName(relation) };
  const more = { ...table, lsn: formatLsn(change.lsn) };
  if (!(error instanceof PgsluiceError)) {
    const text = error instanceof Error ? error.message : String(error);
    return planError('PGS4015', text, { where: more, cause: error });
  }
  const source =
    relation === undefined ? undefined : input.tables.find((t) => t.relation.oid === relation.oid)?.relation;
  const holes = error.code === 'PGS4010' || error.code === 'PGS4011' || error.code === 'PGS4203';
  const remedy =
    holes && source !== undefined
      ? `Run on the source: ${identityFull({ source })}; changes made before it still lack the value, so then copy the table anew with \`pgsluice resync ${relationName(source)}\`.`
      : error.remedy;
  const spec = { title: '', cause: '', remedy, exit: 1, retry: error.retry } as const;
  return new PgsluiceError(error.code, spec, error.message, {
    where: { ...more, ...error.where },
    remedy,
    cause: error,
  });
}
