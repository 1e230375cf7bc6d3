import type { RunContext } from '../../pipeline/open/instances.ts';
import type { Planning } from '../../pipeline/open/planning.ts';
import { acceptable, findUncovered } from '../coverage/find-uncovered.ts';
import { blocking, printUncovered, refuseUnknownNames, type Uncovered } from '../coverage/uncovered.ts';
import { compareSchemas } from '../verify/schema/compare-schemas.ts';
import { schemaDifferences } from '../verify/schema/differences.ts';
import type { CutoverOptions } from './options.ts';

export interface CoveredInput {
  readonly options: CutoverOptions;
  readonly context: RunContext;
  readonly planning: Planning;
}

export interface Covered {
  /** Entries that keep the cutover from GO. */
  readonly blocked: readonly Uncovered[];
  /** Entries of the list that `--accept` names. */
  readonly accepted: readonly Uncovered[];
}

/**
 * The list before the writers stop. Materialized views are refreshed once, to see whether that succeeds; foreign keys
 * are left for after the last change.
 */
export async function coveredBefore(input: CoveredInput, differing: readonly Uncovered[]): Promise<Covered> {
  const found = [...differing, ...(await look(input, 'following')), ...(await unrefreshed(input, 'views'))];
  refuseUnknownNames(input.options.accept, found, acceptable(input));
  return judged(input, found);
}

/** The list at the end, with everything carried over: every entry that is left counts. */
export async function coveredFinal(input: CoveredInput, known: readonly Uncovered[]): Promise<Covered> {
  return judged(input, [...known, ...(await look(input, 'final'))]);
}

/** Views that a refresh left as they were. */
export async function unrefreshed(
  { options, context, planning }: CoveredInput,
  what: 'views' | 'all',
): Promise<readonly Uncovered[]> {
  const found: Uncovered[] = [];
  for (const { sink, name } of planning.sinks) {
    const refreshed = await (what === 'all'
      ? sink.cutover?.refresh(context.stop)
      : sink.cutover?.refreshViews(context.stop));
    if (what === 'all') for (const words of refreshed?.done ?? []) options.say(`${name}: ${words}`);
    for (const { view, why } of refreshed?.failed ?? [])
      found.push({
        name: view,
        kind: 'materialized view',
        why: `it cannot be refreshed: ${why}`,
        remedy: null,
        blocks: true,
      });
  }
  return found;
}

async function look(
  { options, context, planning }: CoveredInput,
  moment: 'following' | 'final',
): Promise<readonly Uncovered[]> {
  const deep = !options.accept.has(largeObjects);
  const schemas = await compareSchemas(context.source, planning.sinks, planning.excluded, context.stop);
  const found = await findUncovered({ context, planning, moment, deep });
  const listed = new Set(found.map(({ name }) => name));
  // Behind a fence that revokes grants, the source's grants differ from their original state.
  const revoked = options.fence === 'revoke' && moment === 'final';
  const objects = schemaDifferences(schemas, moment).filter(
    // Sequences were already compared, with their values; a table that is on the list need not be listed twice.
    ({ kind, name, why }) =>
      kind !== 'sequence' && !listed.has(name.slice(kind.length + 1)) && !(revoked && why.startsWith('acl is ')),
  );
  const left = { name: largeObjects, kind: 'large objects', why: 'they are not compared', remedy: null, blocks: true };
  return [...found, ...objects, ...(deep ? [] : [left])];
}

/** Names that {@link findUncovered} uses. When they are accepted, large objects need not be read. */
const largeObjects = 'large-objects';

function judged({ options }: CoveredInput, found: readonly Uncovered[]): Covered {
  const { accept } = options;
  const blocked = blocking(found, accept);
  const text = printUncovered(found, accept);
  if (text !== '') options.say(text.trimEnd());
  return { blocked, accepted: found.filter(({ name, blocks }) => blocks && accept.has(name)) };
}
