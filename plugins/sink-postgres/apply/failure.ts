import type { PluginContext } from '../../../core/api/context.ts';
import { type ErrorWhere, PgsluiceError } from '../../../core/base/error.ts';
import { formatLsn } from '../../../core/postgres/lsn.ts';
import { fromPg } from '../../../core/postgres/pg-error.ts';
import { applyError, type applyErrors } from './errors.ts';
import { ExchangeError, type Script } from './round-trip.ts';

/** The commit was answered, only what came behind it failed: the rows are in the target. */
export class Committed extends Error {}

export interface FailureContext {
  /** The step that commits; an error behind it changes nothing. */
  readonly commit: number;
  /** The step that writes the position; a division by zero there means that it is not where it should be. */
  readonly position: number;
  /** The step that looks whether what was read of the tables still holds; a division by zero there means that it does not. */
  readonly guard?: number;
  /** The step that moves the logs on; a division by zero there means that another process has one of them. */
  readonly logs?: number;
  readonly debugValues: boolean;
  /** The sink's name. */
  readonly name: string;
}

/** An error of a round trip as ours: with table and LSN of the step that failed, by SQLSTATE. */
export function failure(error: unknown, script: Script, context: FailureContext): Error {
  const index = error instanceof ExchangeError ? error.index : -1;
  if (index > context.commit) return new Committed('committed', { cause: error });
  const cause = error instanceof ExchangeError ? error.cause : error;
  const mapped = fromPg(cause, whereOf(script, index, context.name), context.debugValues);
  if (mapped.retry === 'backoff') return mapped;
  const state = mapped.where.sqlstate;
  if (state === undefined) return mapped;
  if (index === context.position && state === '22012') {
    return applyError('PGS3109', 'the stored position is not behind this batch: another process moved it', {
      where: { connection: context.name },
    });
  }
  if (index === context.logs && state === '22012') {
    return applyError('PGS3215', 'another process has a log of this batch by now: nothing of the batch was written', {
      where: { connection: context.name },
    });
  }
  if (index === context.guard && state === '22012') {
    return applyError('PGS3121', 'a trigger, rule or unique index of a table came, was enabled or went', {
      where: { connection: context.name },
    });
  }
  return applyError(codeOf(state), mapped.message, { where: mapped.where, cause });
}

/** True when the same batch, applied in order, may succeed or at least tell which change it is. */
export function isWorthReplay(error: unknown): boolean {
  return error instanceof PgsluiceError && error.retry === 'never' && error.code !== 'PGS3109';
}

/** Everything is to be read again; then the same batch may go through. */
export function isOutdated(error: unknown): boolean {
  return error instanceof PgsluiceError && error.code === 'PGS3121';
}

/** An Execute that touched another number of rows than it must (I9). */
export function wrongCount(script: Script, index: number, count: number, name: string): PgsluiceError {
  const where = whereOf(script, index, name);
  const change = script.changes[index];
  const what = change === null || change === undefined ? 'changes' : `${change.kind.toUpperCase()} of the source`;
  const expected = script.expected[index] as number;
  if (count > expected) {
    return applyError('PGS3111', `${what} hit ${count} rows of the target instead of ${expected}`, { where });
  }
  return applyError('PGS3101', `${what} found ${count} rows of ${expected} in the target`, { where });
}

/** on_missing: warn. By table, how many changes found no row. */
export function tellMissing(
  missing: ReadonlyMap<string, number>,
  { log, metrics }: Pick<PluginContext, 'log' | 'metrics'>,
): void {
  for (const [table, rows] of missing) {
    log.log('warn', 'rows-missing', 'changes of the source found no row in the target', { table, rows });
    metrics.count('pgsluice_apply_missing_rows_total', rows, { table });
  }
}

function whereOf(script: Script, index: number, name: string): ErrorWhere {
  const table = script.tables[index] ?? '';
  const lsn = script.changes[index]?.lsn;
  return {
    connection: name,
    ...(table === '' ? {} : { table }),
    ...(lsn === undefined ? {} : { lsn: formatLsn(lsn) }),
  };
}

function codeOf(state: string): keyof typeof applyErrors {
  if (state === '23505' || state === '23P01') return 'PGS3102';
  if (state.startsWith('23') || state === '44000') return 'PGS3104';
  if (state.startsWith('22')) return 'PGS3103';
  if (state === '42501') return 'PGS3108';
  if (state.startsWith('42')) return 'PGS3105';
  return 'PGS3112';
}
