import { relationName } from '../../postgres/relation.ts';
import { deadLetterWords } from '../../base/format.ts';
import type { TablePlan } from '../../api/plan.ts';
import type { SourceCatalog } from '../../api/source.ts';
import { knownNames, pendingTables } from '../../pipeline/state/known-tables.ts';
import type { PlannedSink, RunContext } from '../../pipeline/open/instances.ts';
import type { Planning } from '../../pipeline/open/planning.ts';
import type { Uncovered } from './uncovered.ts';
import { readCatalog } from '../../api/source.ts';

export interface CoverageInput {
  readonly context: RunContext;
  readonly planning: Planning;
  /**
   * `following`: what the cutover brings (sequences' values, unlogged tables) is only told. `final`: it has brought it, so
   * whatever is behind counts.
   */
  readonly moment: 'following' | 'final';
  /** Large objects are read to the last byte on both sides. */
  readonly deep: boolean;
}

/**
 * The one list: whatever the file chooses and is not there, not replicated or not compared, from the source's catalog as
 * it is now, the plan and the state. `verify`, `status` and `cutover` all read this.
 */
export async function findUncovered(input: CoverageInput): Promise<readonly Uncovered[]> {
  const { context } = input;
  const catalog = await readCatalog(context.source, context.stop);
  const found = [
    ...tablesOf(input, catalog),
    ...(await unpublished(input)),
    ...(await sequencesOf(input, catalog)),
    ...(await largeObjectsOf(input)),
    ...deadLettersOf(input),
  ];
  return found;
}

/** Names that `--accept` may take although nothing is wrong with them. */
export function acceptable({ context, planning }: Pick<CoverageInput, 'context' | 'planning'>): readonly string[] {
  const plans = planning.sinks.flatMap((sink) => sink.plans);
  return [
    ...(knownNames(context.state) ?? []),
    ...plans.flatMap((plan) => [relationName(plan.source), relationName(plan.output)]),
  ];
}

function tablesOf(input: CoverageInput, catalog: SourceCatalog): Uncovered[] {
  const known = knownNames(input.context.state) ?? new Set<string>();
  const there = new Set(catalog.tables.map((table) => relationName(table.relation)));
  const found: Uncovered[] = [];
  for (const name of there) {
    const reason = known.has(name) ? reasonOf(input, name) : unknownTable();
    if (reason !== null) found.push({ name, ...reason });
  }
  for (const name of known) {
    if (!there.has(name)) found.push({ name, ...missing('table', 'it was dropped or renamed on the source') });
  }
  return [...found, ...foreignTables(catalog)];
}

function foreignTables({ foreignTables: tables }: SourceCatalog): Uncovered[] {
  const why = 'its rows are on another server and are not copied';
  return (tables ?? []).map((table) => ({ name: relationName(table), ...missing('foreign table', why) }));
}

/** Pure. What stays uncovered however well a run goes, by catalog and plans alone. */
export function neverCovered(catalog: SourceCatalog, sinks: readonly PlannedSink[]): readonly Uncovered[] {
  const tables = catalog.tables.flatMap(({ relation }) => {
    const name = relationName(relation);
    const reason = lasting(takersOf(sinks, name), name);
    return reason === null ? [] : [{ name, ...reason }];
  });
  return [...tables, ...foreignTables(catalog)];
}

type Reason = Omit<Uncovered, 'name'>;

function missing(kind: string, why: string, remedy: string | null = null): Reason {
  return { kind, why, remedy, blocks: true };
}

function unknownTable(): Reason {
  return missing(
    'table',
    'it came after the start and is not replicated yet',
    'a run takes it along: pgsluice run FILE',
  );
}

/** What keeps a table of the pipeline from being replicated and compared; null: nothing. */
function reasonOf({ context, planning, moment }: CoverageInput, name: string): Reason | null {
  const { state } = context;
  if (pendingTables(state).has(name)) return missing('table', 'it waits for its copy', 'pgsluice run FILE');
  const takers = takersOf(planning.sinks, name);
  const reason = lasting(takers, name);
  if (reason !== null) return reason;
  if (!takers.some((sink) => plansOf(sink, name).some((plan) => plan.unlogged === true))) return null;
  if (moment === 'final' || state.head?.phase !== 'stream') return null;
  return { ...missing('unlogged table', 'it has no changes to stream; the cutover copies it again'), blocks: false };
}

function takersOf(sinks: readonly PlannedSink[], name: string): readonly PlannedSink[] {
  return sinks.filter((sink) => plansOf(sink, name).length > 0);
}

/** What the plans alone say. */
function lasting(takers: readonly PlannedSink[], name: string): Reason | null {
  if (takers.length === 0) return missing('table', 'no sink takes it');
  if (takers.every(({ sink }) => !sink.digests))
    return missing('table', 'no sink that takes it can be read back, so it is not compared');
  const tail = takers.flatMap((sink) => plansOf(sink, name)).find((plan) => plan.tail !== null)?.tail;
  if (tail !== undefined && tail !== null)
    return missing('table', `it goes through code (${tail.because}) and is not compared`);
  return null;
}

function plansOf(sink: PlannedSink, name: string): readonly TablePlan[] {
  return sink.plans.filter((plan) => relationName(plan.source) === name);
}

/** A table of the pipeline whose changes do not come any more. */
async function unpublished({ context }: CoverageInput): Promise<Uncovered[]> {
  if (context.state.head?.phase !== 'stream') return [];
  const presence = (await context.source.ddl?.tables(context.stop)) ?? [];
  const known = knownNames(context.state) ?? new Set<string>();
  return presence
    .filter((table) => !table.published && !table.unlogged && known.has(relationName(table)))
    .map((table) => {
      const name = relationName(table);
      const why = 'it is not in the publication: its changes do not come';
      return { name, ...missing('table', why, `pgsluice resync FILE ${name}`) };
    });
}

/** Each with its own statements; of a table that is not in the pipeline the table is named. */
async function sequencesOf({ context, planning, moment }: CoverageInput, catalog: SourceCatalog): Promise<Uncovered[]> {
  const known = knownNames(context.state) ?? new Set<string>();
  const fresh = new Set(
    catalog.tables.map(({ relation }) => relationName(relation)).filter((name) => !known.has(name)),
  );
  const states = ((await context.source.schema?.sequences(context.stop)) ?? []).filter(
    ({ ownedBy }) => ownedBy === null || !fresh.has(`${ownedBy.schema}.${ownedBy.table}`),
  );
  const found: Uncovered[] = [];
  for (const { sink, plans } of planning.sinks) {
    for (const { sequence, what, value, remedy } of (await sink.cutover?.compareSequences(
      states,
      plans,
      context.stop,
    )) ?? []) {
      // Its values come with the cutover.
      if (value && moment === 'following') continue;
      found.push({ name: sequence, kind: 'sequence', why: what, remedy, blocks: true });
    }
  }
  return found;
}

async function largeObjectsOf({ context, planning, deep }: CoverageInput): Promise<Uncovered[]> {
  if (!deep) return [];
  const found: Uncovered[] = [];
  for (const { sink } of planning.sinks) {
    const there = (await sink.cutover?.largeObjects?.(context.stop)) ?? null;
    const here = there === null ? null : ((await context.source.digests?.largeObjects?.(context.stop)) ?? null);
    if (here === null || there === null || here.digest === there.digest) continue;
    const why = `they are not the same: ${here.count} on the source, ${there.count} in the target, and no stream carries changes to them`;
    found.push({ name: 'large-objects', ...missing('large objects', why) });
  }
  return found;
}

function deadLettersOf({ context, planning }: CoverageInput): Uncovered[] {
  return planning.sinks.flatMap(({ name }) => {
    const count = planning.deadLetters?.get(name) ?? context.state.deadLetters(name);
    if (count === 0) return [];
    const why = `${deadLetterWords(count)} of sink ${name}, so it lacks them`;
    return [{ name: 'dead-letters', ...missing('changes', why) }];
  });
}
