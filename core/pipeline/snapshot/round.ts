import type { SchemaAgain, SnapshotSession } from '../../api/snapshot.ts';
import { readCatalog, type SourceCatalog, type SourceTable } from '../../api/source.ts';
import { mapManifest } from '../../postgres/manifest/map.ts';
import { type Oid, type Relation, relationName } from '../../postgres/relation.ts';
import { asTarget } from '../plan/as-target.ts';
import { mappingOf } from '../plan/mapping.ts';
import { ShapeHistory } from '../ddl/shape-history.ts';
import { chosen } from '../plan/draft.ts';
import { canonical } from '../open/fingerprint.ts';
import type { PlannedSink, RunContext } from '../open/instances.ts';
import { planAgain } from '../open/planning.ts';
import { entry, type StateEntry } from '../state/entries.ts';
import type { PhaseInput } from './phase.ts';

/** What is copied under one snapshot, as the source has it there. */
export interface Round {
  readonly session: SnapshotSession;
  /** performance.now() when the session was there. */
  readonly since: number;
  /** With the tables of the pipeline; those that are copied already as they were then. */
  readonly catalog: SourceCatalog;
  readonly sinks: readonly PlannedSink[];
  /** For a sink whose schema an earlier snapshot began. */
  readonly again: (sink: PlannedSink) => SchemaAgain | undefined;
  /** Tables that wait for their copy. */
  readonly waiting: readonly SourceTable[];
  /** Tables that are copied, and that changes of the stream may not fit any more, or that are new; by their names. */
  readonly unsteady: readonly string[];
  /** Notes the shapes of this snapshot, and gives the tables of the pipeline; to be called when every sink is prepared for them. */
  readonly settle: () => Promise<readonly SourceTable[]>;
}

export interface RoundInput {
  readonly input: PhaseInput;
  /** The tables of the pipeline, as they were at the last look. */
  readonly tables: readonly SourceTable[];
  /** Nothing of an earlier snapshot is in a sink. */
  readonly first: boolean;
}

/** A table of the pipeline under the new snapshot. */
interface Standing {
  /** As it was when the sinks were prepared for it. */
  readonly was: Relation;
  /** Null: gone, or no longer chosen. */
  readonly now: SourceTable | null;
  /** Some sink has no copy of it. */
  readonly waits: boolean;
}

/**
 * Plans a snapshot by the catalog as it sees it, so that what is read, what is made in the target and the position from which
 * changes count are of one moment, whatever DDL has been run since the last look. A table that is copied stays as it was: the
 * stream comes to its DDL. One that waits for its copy is taken as it is now, and what the stream has of its DDL is contained in that.
 */
export async function planRound(context: RunContext, given: RoundInput, session: SnapshotSession): Promise<Round> {
  const since = performance.now();
  const { input, first } = given;
  const { state, source } = context;
  const seen: SourceCatalog = { ...input.catalog, ...(await session.relations?.()) };
  const history = new ShapeHistory(state);
  const each = first ? [] : given.tables.map((table) => standing(context, input, history.of(table.relation), seen));
  const standings = await withRelatives(context, each);
  const tables = first
    ? [...atSnapshot(given.tables, seen), ...(await publishedMeanwhile(context, given, seen))]
    : standings.flatMap(({ was, now, waits }) => (waits ? (now ?? []) : [sourceTable(was, seen)]));
  const catalog = { ...seen, tables };
  const streaming = input.config.snapshot.mode !== 'initial_only';
  const { sinks } = await planAgain(input.instances.sinks, catalog, streaming, context.stop);
  const changed = standings.filter(isChanged);
  for (const { was, now } of changed) {
    const what = now === null ? 'is gone' : 'is another than before';
    const text = `${relationName(was)} ${what} on the source, and waits for its copy: its target is made again as it is now`;
    context.log.log('info', 'table-changed', text, { table: relationName(was) });
  }
  await forgetCopies(context, input, changed);
  if (first) await noteFirst(context, tables);
  const settle = async () => {
    if (!first) await noteAgain(context, { changed, catalog, exactAt: session.exactAt });
    // DDL that is followed tells of rows that were written again.
    if (input.config.ddl !== 'follow') await noteStored(context, session, waiting);
    return tables;
  };
  const waiting = first ? tables : standings.flatMap(({ waits, now }) => (waits ? (now ?? []) : []));
  const under = state.head?.phase === 'snapshot' || input.config.ddl === 'follow';
  const again = (sink: PlannedSink): SchemaAgain | undefined =>
    first || !under ? undefined : schemaAgain(context, { given, standings, catalog, history }, sink);
  const fresh = first ? [] : await publishedMeanwhile(context, given, seen);
  const unsteady = [
    ...standings
      .filter((each) => isUnsteady(each, input.config.ddl === 'follow' && source.ddl?.late !== true))
      .map(({ was }) => was),
    ...fresh.map(({ relation }) => relation),
  ].map(relationName);
  return { session, since, catalog, sinks, waiting, unsteady, again, settle };
}

/** The tables that were known before, by their identity, as the snapshot has them. */
function atSnapshot(tables: readonly SourceTable[], seen: SourceCatalog): readonly SourceTable[] {
  return tables.flatMap(({ relation }) => tableNow(relation, seen) ?? []);
}

/** The table as the catalog has it: by its identity, or another one that has its name now. */
export function tableNow(was: Relation, { tables }: SourceCatalog): SourceTable | null {
  const same = tables.find(({ relation }) => relation.oid === was.oid);
  return same ?? tables.find(({ relation }) => relationName(relation) === relationName(was)) ?? null;
}

function standing({ state }: RunContext, { planning }: PhaseInput, was: Relation, seen: SourceCatalog): Standing {
  const name = relationName(was);
  const takers = planning.sinks.filter((sink) => chosen(sink.tables, was));
  return { was, now: tableNow(was, seen), waits: takers.some((sink) => state.table(sink.name, name) === null) };
}

/** Tables that inherit from each other share their columns: where one changed, all are copied again. */
async function withRelatives(
  { source, stop }: RunContext,
  standings: readonly Standing[],
): Promise<readonly Standing[]> {
  const changed = new Set(standings.filter(isChanged).map(({ was }) => was.oid));
  if (changed.size === 0) return standings;
  const presence = (await source.ddl?.tables(stop)) ?? [];
  const pairs = presence
    .filter(({ bound }) => bound === null)
    .flatMap(({ oid, parents }) => parents.map((up) => [oid, up]));
  for (let before = -1; before < changed.size; ) {
    before = changed.size;
    for (const pair of pairs) if (pair.some((oid) => changed.has(oid!))) for (const oid of pair) changed.add(oid!);
  }
  return standings.map((each) => (changed.has(each.was.oid) ? { ...each, waits: true } : each));
}

function isChanged({ was, now, waits }: Standing): boolean {
  return waits && (now === null || !isSame(was, now.relation));
}

/** `told`: the stream has all DDL, at its place; then a table must only still be the same under the same name. */
function isUnsteady({ waits, was, now }: Standing, told: boolean): boolean {
  if (waits) return false;
  if (now === null) return true;
  if (!told) return !isSame(was, now.relation);
  return was.oid !== now.relation.oid || relationName(was) !== relationName(now.relation);
}

function sourceTable(relation: Relation, { tables }: SourceCatalog): SourceTable {
  const now = tables.find((table) => table.relation.oid === relation.oid);
  return { bytes: 0, rows: -1, persistence: 'permanent', ...now, relation };
}

/** One of the two may come from a checkpoint, which keeps an object's keys in an order of its own. */
export function isSame(a: Relation, b: Relation): boolean {
  return canonical(a) === canonical(b);
}

/**
 * Tables that came after the first look and before the slot, and that the source published by itself: the stream does not tell of
 * them, as it begins behind.
 */
async function publishedMeanwhile(
  { source, stop }: RunContext,
  { input, tables }: RoundInput,
  seen: SourceCatalog,
): Promise<readonly SourceTable[]> {
  if (input.config.ddl !== 'follow') return [];
  const known = new Set(tables.map(({ relation }) => relation.oid));
  const names = new Set(tables.map(({ relation }) => relationName(relation)));
  const fresh = seen.tables.filter(({ relation }) => !known.has(relation.oid) && !names.has(relationName(relation)));
  if (fresh.length === 0) return [];
  const presence = (await source.ddl?.tables(stop)) ?? [];
  const published = new Set(presence.filter((table) => table.published).map(({ oid }) => oid));
  return fresh.filter(({ relation }) => published.has(relation.oid));
}

async function noteFirst({ state }: RunContext, tables: readonly SourceTable[]): Promise<void> {
  const history = new ShapeHistory(state);
  const oids = new Set(tables.map(({ relation }) => relation.oid));
  await state.put(
    'tables',
    tables.map(({ relation }) => relationName(relation)),
  );
  for (const { relation } of history.newest()) if (!oids.has(relation.oid)) await history.forget(relation.oid);
  await Promise.all(tables.map(({ relation }) => history.renew(relation)));
}

/** What a command makes of a table's rows between its copy and the first look at the catalog is then seen by that look. */
async function noteStored(
  { state }: RunContext,
  session: SnapshotSession,
  tables: readonly SourceTable[],
): Promise<void> {
  const stored = await session.stored?.(tables.map(({ relation }) => relation.oid));
  if (stored !== undefined) await new ShapeHistory(state).noteStored(stored);
}

/** Sinks that have one of them would keep it in its old shape beside sinks that get the new one. */
async function forgetCopies(
  { state }: RunContext,
  { planning }: PhaseInput,
  changed: readonly Standing[],
): Promise<void> {
  if (changed.length === 0) return;
  await state.forgetTables(
    changed.map(({ was }) => relationName(was)),
    planning.sinks.map(({ name }) => name),
    [],
  );
}

interface Noted {
  readonly changed: readonly Standing[];
  readonly catalog: SourceCatalog;
  readonly exactAt: bigint;
}

async function noteAgain({ state }: RunContext, { changed, catalog, exactAt }: Noted): Promise<void> {
  if (state.head?.phase === 'snapshot') {
    const parents = (catalog.parents ?? []).map(relationName);
    await state.put('parents', { at: exactAt, names: parents });
  }
  if (changed.length === 0) return;
  const names = new Map(changed.map(({ was, now }) => [relationName(was), now && relationName(now.relation)]));
  await state.putAll((['tables', 'resync'] as const).flatMap((key) => renamed(key, state.get(key), names)));
  const history = new ShapeHistory(state);
  for (const { was, now } of changed) {
    if (now === null) await history.leave(was.oid);
    else {
      if (now.relation.oid !== was.oid) await history.forget(was.oid);
      await history.renew(now.relation, exactAt);
    }
  }
}

function renamed(
  key: 'tables' | 'resync',
  list: readonly string[] | null,
  names: ReadonlyMap<string, string | null>,
): readonly StateEntry[] {
  if (list === null) return [];
  const now = list.flatMap((name) => (names.has(name) ? (names.get(name) ?? []) : [name]));
  return [entry(key, [...new Set(now)])];
}

interface Begun {
  readonly given: RoundInput;
  readonly standings: readonly Standing[];
  readonly catalog: SourceCatalog;
  readonly history: ShapeHistory;
}

function schemaAgain({ source, state, stop }: RunContext, of: Begun, sink: PlannedSink): SchemaAgain {
  const waiting = of.standings
    .filter(({ was, waits }) => waits && state.table(sink.name, relationName(was)) === null)
    .flatMap(({ was, now }) => [was, ...(now === null ? [] : [now.relation])].map(relationName));
  return {
    waiting: new Set(waiting),
    begun: async () => {
      const tables = of.standings.map(({ was }) => sourceTable(was, of.catalog));
      const streaming = of.given.input.config.snapshot.mode !== 'initial_only';
      const { sinks } = await planAgain([sink], { ...of.catalog, tables }, streaming, stop);
      return { plans: sinks[0]!.plans, parents: sinks[0]!.parents };
    },
    wanted: async (view) => {
      if (source.schema === undefined) return null;
      const { manifest } = await source.schema.read(stop);
      return mapManifest(asTarget(manifest, view), mappingOf(sink, of.catalog.excluded));
    },
  };
}

/** Whether the source is no longer as the snapshot saw it, in one table that waits for its copy or (null) in any. */
export async function changedSince({ source, stop }: RunContext, round: Round, oid: Oid | null): Promise<boolean> {
  const now = await readCatalog(source, stop).catch(() => null);
  if (now === null) return false;
  const byOid = new Map(now.tables.map(({ relation }) => [relation.oid, relation]));
  const tables = round.waiting.filter(({ relation }) => oid === null || relation.oid === oid);
  return tables.some(({ relation }) => {
    const found = byOid.get(relation.oid);
    return found === undefined || !isSame(relation, found);
  });
}
