import type pg from 'pg';
import type { TablePlan } from '../../core/api/plan.ts';
import type { SequenceDifference } from '../../core/api/sink.ts';
import { qualified, quoteIdent } from '../../core/postgres/quote.ts';
import { relationName } from '../../core/postgres/relation.ts';
import type { Sequence, SequenceState } from '../../core/postgres/sequence.ts';
import { listSequences, readSequences } from '../../core/postgres/sequences.ts';

/**
 * The target's names of the source's tables, and a plan for the names of their columns; by `schema.table` of the
 * source.
 */
export interface Places {
  readonly tables: ReadonlyMap<string, { readonly schema: string; readonly name: string }>;
  readonly plans: ReadonlyMap<string, TablePlan>;
}

export interface ParentPlace {
  /** `schema.table` on the source. */
  readonly source: string;
  readonly schema: string;
  readonly name: string;
  /** A planned partition: its name on the source. */
  readonly leaf: string | null;
}

export interface SequencePair {
  readonly source: SequenceState;
  /** Null: the target has no corresponding one. */
  readonly target: Sequence | null;
}

export function placesOf(tables: readonly TablePlan[], parents: readonly ParentPlace[]): Places {
  const plans = new Map(tables.map((plan) => [relationName(plan.source), plan]));
  for (const { source, leaf } of parents) {
    const plan = plans.get(leaf ?? '');
    if (plan !== undefined) plans.set(source, plan);
  }
  const names = new Map<string, { readonly schema: string; readonly name: string }>();
  for (const parent of parents) names.set(parent.source, parent);
  for (const plan of tables) names.set(relationName(plan.source), plan.output);
  return { tables: names, plans };
}

/**
 * Pure. A column may own several sequences on either side, so each is matched by its role: the identity's with the
 * identity's, others by their name; the remaining ones by elimination, if there is one on either side (a name that was
 * taken, a serial that is an identity there). Sequences without an owner are matched by name. Those of tables and
 * columns that the target does not get are left out.
 */
export function pairSequences(
  sources: readonly SequenceState[],
  targets: readonly Sequence[],
  places: Places,
): readonly SequencePair[] {
  const taken = new Set<Sequence>();
  const found = new Map<SequenceState, Sequence>();
  const take = (source: SequenceState, target: Sequence | undefined): void => {
    if (target === undefined || taken.has(target) || found.has(source)) return;
    found.set(source, target);
    taken.add(target);
  };
  const ownedThere = Map.groupBy(targets, ({ ownedBy }) => (ownedBy === null ? '' : keyOf(ownedBy)));
  const ownedHere = Map.groupBy(sources, ({ ownedBy }) => (ownedBy === null ? '' : (placeOf(ownedBy, places) ?? '')));
  for (const [column, here] of ownedHere) {
    if (column === '') continue;
    const there = ownedThere.get(column) ?? [];
    for (const source of here) {
      const identity = source.ownedBy!.identity;
      const alike = there.filter((target) => target.ownedBy!.identity === identity);
      take(source, identity ? alike[0] : alike.find(({ name }) => name === source.name));
    }
    const [left, ...others] = here.filter((source) => !found.has(source));
    const free = there.filter((target) => !taken.has(target));
    if (left !== undefined && others.length === 0 && free.length === 1) take(left, free[0]);
  }
  const byName = new Map(targets.map((target) => [relationName(target), target]));
  for (const source of sources) {
    if (source.ownedBy === null || placeOf(source.ownedBy, places) !== null)
      take(source, byName.get(relationName(source)));
  }
  return sources
    .filter((source) => found.has(source) || isWanted(source, places))
    .map((source) => ({ source, target: found.get(source) ?? null }));
}

type Owned = NonNullable<Sequence['ownedBy']>;

function keyOf({ schema, table, column }: Owned): string {
  return JSON.stringify([schema, table, column]);
}

/** The owning column's key in the target; null if the table is not chosen. */
function placeOf(owned: Owned, places: Places): string | null {
  const source = `${owned.schema}.${owned.table}`;
  const table = places.tables.get(source);
  if (table === undefined) return null;
  const plan = places.plans.get(source);
  const column = plan?.projection.columns.find((each) => each.from === owned.column)?.name ?? owned.column;
  return keyOf({ ...owned, schema: table.schema, table: table.name, column });
}

function isWanted({ ownedBy }: SequenceState, places: Places): boolean {
  if (ownedBy === null) return true;
  const source = `${ownedBy.schema}.${ownedBy.table}`;
  const plan = places.plans.get(source);
  if (plan === undefined) return places.tables.has(source);
  return plan.projection.columns.some(({ from, name }) => from === ownedBy.column || name === ownedBy.column);
}

/** One statement for all. A value beyond the target's bounds is skipped; {@link differencesOf} reports it. */
export async function setSequences(client: pg.Client, pairs: readonly SequencePair[]): Promise<readonly string[]> {
  const fitting = pairs.flatMap(({ source, target }) => {
    if (target === null || source.lastValue < target.definition.min || source.lastValue > target.definition.max)
      return [];
    return [{ source, name: qualified(target) }];
  });
  await client.query(
    `SELECT setval(to_regclass(w.name), w.last, w.called) FROM unnest($1::text[], $2::bigint[], $3::boolean[]) AS w (name, last, called)`,
    [
      fitting.map(({ name }) => name),
      fitting.map(({ source }) => String(source.lastValue)),
      fitting.map(({ source }) => source.isCalled),
    ],
  );
  const done = new Set(fitting.map(({ source }) => source));
  return pairs.map(({ source, target }) => {
    if (target === null) return `sequence ${relationName(source)} is not in the target: nothing set`;
    if (!done.has(source)) return `sequence ${relationName(target)} cannot be ${source.lastValue}: nothing set`;
    return `sequence ${relationName(target)} = ${source.lastValue}`;
  });
}

/** Reads the target again and compares everything that later calls of nextval depend on. */
export async function compareSequences(
  client: pg.Client,
  sources: readonly SequenceState[],
  places: Places,
): Promise<readonly SequenceDifference[]> {
  const pairs = pairSequences(sources, await listSequences(client), places);
  const there = await readSequences(
    client,
    pairs.flatMap(({ target }) => target ?? []),
  );
  const states = new Map(there.map((state) => [relationName(state), state]));
  return pairs.flatMap(({ source, target }) =>
    target === null
      ? [missing(source)]
      : [...differencesOf(source, states.get(relationName(target))!), ...ownerDifference(source, target, places)],
  );
}

function ownerDifference(source: SequenceState, target: Sequence, places: Places): readonly SequenceDifference[] {
  const wanted = source.ownedBy === null ? null : placeOf(source.ownedBy, places);
  const there = target.ownedBy === null ? null : keyOf(target.ownedBy);
  if (wanted === there) return [];
  const column = wanted === null ? null : columnSql(wanted);
  return [
    {
      sequence: relationName(target),
      what: `is owned by ${there === null ? 'no column' : columnSql(there)}, on the source by ${column ?? 'no column'}`,
      value: false,
      remedy: `ALTER SEQUENCE ${qualified(target)} OWNED BY ${column ?? 'NONE'};`,
    },
  ];
}

function columnSql(key: string): string {
  return (JSON.parse(key) as string[]).map(quoteIdent).join('.');
}

function missing(source: SequenceState): SequenceDifference {
  const { type, start, increment, min, max, cache, cycle } = source.definition;
  const name = qualified(source);
  const create = `CREATE SEQUENCE ${name} AS ${type} INCREMENT BY ${increment} MINVALUE ${min} MAXVALUE ${max} START WITH ${start} CACHE ${cache}${cycle ? ' CYCLE' : ''};`;
  return {
    sequence: relationName(source),
    what: 'is not in the target',
    value: false,
    remedy: source.ownedBy?.identity === true ? null : `${create} ${setval(source, name)}`,
  };
}

function setval({ lastValue, isCalled }: SequenceState, name: string): string {
  return `SELECT pg_catalog.setval('${name.replaceAll("'", "''")}', ${lastValue}, ${isCalled});`;
}

/** Pure: the differences, each with the statement that mends it. */
export function differencesOf(source: SequenceState, target: SequenceState): readonly SequenceDifference[] {
  const name = qualified(target);
  const [here, there] = [source.definition, target.definition];
  const alter = (clause: string): string => `ALTER SEQUENCE ${name} ${clause};`;
  const properties: readonly [string, unknown, unknown, string][] = [
    ['type', here.type, there.type, alter(`AS ${here.type}`)],
    ['increment', here.increment, there.increment, alter(`INCREMENT BY ${here.increment}`)],
    ['minimum', here.min, there.min, alter(`MINVALUE ${here.min}`)],
    ['maximum', here.max, there.max, alter(`MAXVALUE ${here.max}`)],
    ['start', here.start, there.start, alter(`START WITH ${here.start}`)],
    ['cache', here.cache, there.cache, alter(`CACHE ${here.cache}`)],
    ['cycle', here.cycle, there.cycle, alter(here.cycle ? 'CYCLE' : 'NO CYCLE')],
    ['last_value', source.lastValue, target.lastValue, setval(source, name)],
    ['is_called', source.isCalled, target.isCalled, setval(source, name)],
  ];
  const found = properties
    .filter(([, from, to]) => from !== to)
    .map(([property, from, to, remedy]) => ({
      sequence: relationName(target),
      what: `${property} is ${String(to)}, on the source ${String(from)}`,
      value: property === 'last_value' || property === 'is_called',
      remedy,
    }));
  return found;
}
