import type pg from 'pg';
import type { Change, RowChange } from '../../../core/api/change.ts';
import type { DeadLetters, Refused } from '../../../core/api/dead-letter.ts';
import { Exchange, ExchangeError, type ExchangeResult, Script } from '../apply/round-trip.ts';
import { failure, wrongCount } from '../apply/failure.ts';
import type { ApplySession } from '../apply/session.ts';
import { isRefusal } from './refusal.ts';

export interface OneByOneOptions {
  readonly session: ApplySession;
  /** The sink's name. */
  readonly name: string;
  readonly debugValues: boolean;
  readonly letters: DeadLetters;
  /** Writes a change as statements of its own. */
  readonly emit: (script: Script, change: Change) => void;
  /** A wrong row count is not an error but is reported (on_missing: warn). */
  readonly tolerates: (count: number, expected: number) => boolean;
  /** Checks every count, if none of them is an error. */
  readonly check: (script: Script, result: ExchangeResult) => void;
}

/** Changes between two savepoints: at most so many are repeated for one that fails. */
const partSize = 64;
/** Number of letters that wait to be recorded together; above the threshold the sink stops without trying the rest. */
const lettersAtOnce = 100;

/**
 * Applies changes in order within the open transaction; a change that the target refuses is undone by a savepoint and
 * recorded as a dead letter. When this resolves the letters are recorded: the commit, and with it the position, comes
 * after (I9).
 */
export async function applyOneByOne(changes: readonly Change[], options: OneByOneOptions): Promise<void> {
  let waiting: Refused[] = [];
  let refused = 0;
  const record = async () => {
    await options.letters.refuse(waiting);
    refused += waiting.length;
    waiting = [];
  };
  let at = 0;
  let end = Math.min(partSize, changes.length);
  while (at < changes.length) {
    const failed = await part(changes, { at, end }, options);
    if (failed !== null && failed.at > at) {
      // First the changes before it, then this one alone at the head of a part.
      end = failed.at;
      continue;
    }
    if (failed !== null) waiting.push({ change: changes[at] as RowChange, error: failed.error });
    if (waiting.length >= lettersAtOnce) await record();
    at = failed === null ? end : at + 1;
    end = Math.min(at + partSize, changes.length);
  }
  if (waiting.length > 0) await record();
  options.letters.passed(changes.length - refused);
}

interface Failed {
  readonly at: number;
  readonly error: Refused['error'];
}

/**
 * Null: all of the part is applied. Otherwise none of it is, and the refused change is returned; any other failure is
 * thrown.
 */
async function part(
  changes: readonly Change[],
  { at, end }: { readonly at: number; readonly end: number },
  options: OneByOneOptions,
): Promise<Failed | null> {
  const { client, prepared } = options.session;
  const exchange = new Exchange(client);
  const script = new Script(prepared, { send: exchange.send });
  script.control('SAVEPOINT pgsluice_part');
  const starts: number[] = [];
  for (let k = at; k < end; k++) {
    starts.push(script.steps);
    try {
      options.emit(script, changes[k] as Change);
    } catch (error) {
      const refused = refusal(error, changes[k] as Change);
      if (exchange.begun) {
        script.finish();
        await exchange.result.catch(() => {});
        await backToPart(client);
      }
      await forget(options.session);
      return { at: k, error: refused };
    }
  }
  const outcome = await attempt({ script, exchange }, options);
  if (outcome === null) {
    await client.query('RELEASE SAVEPOINT pgsluice_part');
    return null;
  }
  const k = starts.findLastIndex((start) => start <= outcome.step);
  if (k === -1) throw outcome.error;
  const error = refusal(outcome.error, changes[at + k] as Change);
  await backToPart(client);
  await forget(options.session);
  return { at: at + k, error };
}

async function backToPart(client: pg.Client): Promise<void> {
  await client.query('ROLLBACK TO SAVEPOINT pgsluice_part');
  await client.query('RELEASE SAVEPOINT pgsluice_part');
}

/** One round trip. Null: all steps succeeded; otherwise the first one that did not. */
async function attempt(
  { script, exchange }: { readonly script: Script; readonly exchange: Exchange },
  options: OneByOneOptions,
): Promise<{ readonly step: number; readonly error: unknown } | null> {
  const { name, debugValues } = options;
  let result: ExchangeResult;
  try {
    script.finish();
    result = await exchange.result;
  } catch (error) {
    const step = error instanceof ExchangeError ? error.index : -1;
    const at = { commit: Number.POSITIVE_INFINITY, position: -1 };
    return { step, error: failure(error, script, { ...at, debugValues, name }) };
  }
  for (const [step, expected] of script.expected.entries()) {
    const count = result.counts[step] as number;
    if (expected === -1 || count === expected || options.tolerates(count, expected)) continue;
    return { step, error: wrongCount(script, step, count, name) };
  }
  options.check(script, result);
  return null;
}

/** A change of a row that is refused because of itself. */
function refusal(error: unknown, change: Change): Refused['error'] {
  if (isRefusal(error) && change.kind !== 'truncate' && change.kind !== 'message') return error;
  throw error;
}

/** Statements that a script noted as prepared may not be, if the script was not sent completely. */
async function forget({ client, prepared }: ApplySession): Promise<void> {
  prepared.forget();
  await client.query('DEALLOCATE ALL');
}
