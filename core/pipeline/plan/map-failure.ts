import type { Change } from '../../api/change.ts';
import { derived, PgsluiceError } from '../../base/error.ts';
import { formatLsn } from '../../postgres/lsn.ts';
import { type Relation, relationName } from '../../postgres/relation.ts';
import { planError } from './errors.ts';
import { identityFull } from './notes.ts';
import type { PlanInput } from './types.ts';

/** Where mapping failed: all changes before that one were mapped. */
export interface MapFailure {
  readonly change: Change;
  /** Index of the change in the input. */
  readonly index: number;
  /** The mapped changes before it. */
  readonly done: readonly Change[];
}

const failures = new WeakMap<object, MapFailure>();

/** Null for an error that no mapper threw. */
export function mapFailure(error: unknown): MapFailure | null {
  return typeof error === 'object' && error !== null ? (failures.get(error) ?? null) : null;
}

/** Attaches the changes that were mapped before an error, for the code that catches it. */
export function withFailure<T>(error: T, failure: MapFailure): T {
  if (typeof error === 'object' && error !== null) failures.set(error, failure);
  return error;
}

/** Names table and position; if a value was not sent, the remedy is the statement that makes the source send it. */
export function failed(error: unknown, change: Change, input: PlanInput): PgsluiceError {
  const relation =
    change.kind === 'truncate' ? change.relations[0] : change.kind === 'message' ? undefined : change.relation;
  const table = relation === undefined ? {} : { table: relationName(relation) };
  const place = { ...table, lsn: formatLsn(change.lsn) };
  if (!(error instanceof PgsluiceError)) {
    const text = error instanceof Error ? error.message : String(error);
    return planError('PGS4015', text, { where: place, cause: error });
  }
  const source =
    relation === undefined ? undefined : input.tables.find((t) => t.relation.oid === relation.oid)?.relation;
  const remedy = error.meaning === 'value-not-sent' && source !== undefined ? unsentRemedy(source) : error.remedy;
  return derived(error, { exit: 1, remedy, where: { ...place, ...error.where } });
}

function unsentRemedy(source: Relation): string {
  const full = identityFull({ source });
  if (full === null) return 'Take `refetch: false` off the transform.';
  return `Take \`refetch: false\` off the transform, or run on the source: ${full}; changes made before that statement still lack the value, so then copy the table again with \`pgsluice resync ${relationName(source)}\`.`;
}
