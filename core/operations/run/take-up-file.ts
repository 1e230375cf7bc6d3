import { PgsluiceError } from '../../base/error.ts';
import { relationName } from '../../postgres/relation.ts';
import type { SourceCatalog } from '../../api/source.ts';
import {
  describeChange,
  type FileChange,
  changeRules,
  changesSince,
  fileChanges,
  fileFacts,
  noteFacts,
  tellChanges,
} from '../../pipeline/open/file-changes.ts';
import type { RunContext } from '../../pipeline/open/instances.ts';
import { knownNames, requestCopy } from '../../pipeline/state/known-tables.ts';
import type { OpenPipeline } from '../../pipeline/open/open-pipeline.ts';
import { planSinks } from '../../pipeline/open/planning.ts';
import { checkIdentity } from '../../pipeline/open/promoted.ts';
import { readCatalog } from '../../api/source.ts';

/** What a changed file would mean for a pipeline that is under way. */
export interface FileVerdict {
  readonly changes: readonly FileChange[];
  /** Tables that the file now chooses and that have to be copied. */
  readonly added: readonly string[];
  /** Why the file cannot be taken up, one line per reason; empty: it can. */
  readonly refused: readonly string[];
}

/**
 * Judges a changed file against the present pipeline: `next` is opened from the file without the lock, `state` is that
 * of the run. Reads only.
 */
export async function judgeFile(
  next: OpenPipeline,
  { state }: RunContext,
  before: OpenPipeline['config'],
): Promise<FileVerdict> {
  const changes = fileChanges(fileFacts(before), fileFacts(next.config), changeRules(next.config));
  const refused = changes.filter(({ effect }) => effect === 'refused').map(describeChange);
  if (refused.length > 0) return { changes, added: [], refused };
  try {
    const catalog = await readCatalog(next.context.source, next.context.stop);
    checkIdentity(state.head, catalog.identity);
    const { added, gone } = tableChanges(knownNames(state), catalog);
    if (gone.length > 0)
      refused.push(`the file no longer chooses ${gone.join(', ')}: what is copied of it would stay as it is`);
    await planSinks(next.instances.sinks, catalog, true, next.context.stop);
    return { changes, added: chosenAnew(changes) ? added : [], refused };
  } catch (error) {
    if (!(error instanceof PgsluiceError)) throw error;
    return { changes, added: [], refused: [`${error.code} ${error.message}`] };
  }
}

/** Whether the file chooses other tables; a table that was only created on the source does not count. */
function chosenAnew(changes: readonly FileChange[]): boolean {
  return changes.some(({ effect }) => effect === 'tables');
}

function tableChanges(known: ReadonlySet<string> | null, catalog: SourceCatalog) {
  const added = catalog.tables
    .map(({ relation }) => relationName(relation))
    .filter((name) => known?.has(name) === false);
  return { added, gone: catalog.excluded.map(relationName).filter((name) => known?.has(name) === true) };
}

/**
 * At the start of a run: logs how the file differs from that of the last run, and requests copies of the tables that
 * were added to it. A change that cannot be taken up ends the run where that shows, with an error of its own.
 */
export async function takeUpFile({ config, instances, context }: OpenPipeline): Promise<void> {
  const { state, log } = context;
  const changes = changesSince(state, config);
  if (changes !== null && state.head?.phase === 'stream') {
    tellChanges(log, changes);
    // Logged already; the run refuses it with an error of its own, and the noted facts of the earlier file stay.
    if (changes.some(({ effect }) => effect === 'refused')) return;
    if (chosenAnew(changes)) await addTables({ config, instances, context });
  }
  await noteFacts(state, config);
}

/** A verb that copied the tables that were added to the file has taken the file up, too. */
export async function noteFile({ config, context: { state } }: OpenPipeline): Promise<void> {
  const changes = changesSince(state, config);
  if (changes?.every(({ effect }) => effect !== 'refused') === true) await noteFacts(state, config);
}

async function addTables({
  instances,
  context,
}: Pick<OpenPipeline, 'config' | 'instances' | 'context'>): Promise<void> {
  const { state, log, source, stop } = context;
  const catalog = await readCatalog(source, stop);
  const { added, gone } = tableChanges(knownNames(state), catalog);
  // Problems with the tables are reported before anything is noted.
  if (added.length === 0 || gone.length > 0) return;
  await planSinks(instances.sinks, catalog, true, stop);
  log.log('info', 'tables-added', `the file chooses ${added.join(', ')}, too: to be copied`, { tables: added.length });
  await requestCopy(
    state,
    added,
    instances.sinks.map(({ name }) => name),
  );
}
