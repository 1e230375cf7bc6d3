import type { FenceTable, OpenTransaction, WriteFence } from '../../api/source-control.ts';
import { pause } from '../../base/backoff.ts';
import { formatSeconds } from '../../base/format.ts';
import { quoteLiteral } from '../../postgres/quote.ts';
import { cutoverError } from './errors.ts';

/** Milliseconds between two looks, and between two log lines about the transactions that it waits for. */
const between = 100;
const sayEvery = 10_000;

export interface Patience {
  /** performance.now() at which it gives up. */
  readonly deadline: number;
  readonly signal: AbortSignal;
  readonly say: (line: string) => void;
}

/** An open transaction for people: its session, since when it is open, and where it writes. */
export function transactionWords(of: OpenTransaction): string {
  const age = of.seconds === null ? '' : `, ${formatSeconds(of.seconds)} old`;
  const where = of.tables.length === 0 ? '' : `, writes in ${of.tables.join(', ')}`;
  const user = of.user === null ? '' : `user ${of.user}`;
  if (of.gid !== null) return `prepared transaction ${quoteLiteral(of.gid)} (${user}${age}${where})`;
  if (of.pid === null) return `a session that has ended meanwhile${where}`;
  const application = of.application === null ? '' : `, application ${JSON.stringify(of.application)}`;
  const state = of.state === null ? '' : `, ${of.state}`;
  return `pid ${of.pid} (${user}${application}${state}${age}${where})`;
}

/** The SQL on the source that ends it; null: there is nothing to run. */
export function endingSql(of: OpenTransaction): string | null {
  if (of.gid !== null) return `COMMIT PREPARED ${quoteLiteral(of.gid)}; or ROLLBACK PREPARED ${quoteLiteral(of.gid)};`;
  return of.pid === null ? null : `SELECT pg_terminate_backend(${of.pid});`;
}

export function stillOpen(open: readonly OpenTransaction[], waited: string): Error {
  const words = open.map((each) => {
    const sql = endingSql(each);
    return sql === null ? transactionWords(each) : `${transactionWords(each)}: ${sql}`;
  });
  return cutoverError('PGS7040', `${waited}: ${words.join(' · ')}`);
}

/**
 * Waits until all transactions have ended that have written in the source's database and are open now, prepared ones
 * too: each of them can still commit rows. The fence keeps out those that begin later. Throws PGS7040 with those that
 * are left.
 */
export async function waitForTransactions(
  fence: WriteFence | undefined,
  tables: readonly FenceTable[],
  patience: Patience,
): Promise<void> {
  if (fence === undefined) return;
  const first = new Set((await fence.transactions(tables, patience.signal)).map(({ id }) => id));
  await waitUntilNone(async () => {
    if (first.size === 0) return [];
    return (await fence.transactions(tables, patience.signal)).filter(({ id }) => first.has(id));
  }, patience);
}

/** Looks until no transaction is left, logs which ones it waits for, and gives up at the deadline. */
export async function waitUntilNone(
  look: () => Promise<readonly OpenTransaction[]>,
  { deadline, signal, say }: Patience,
): Promise<void> {
  const started = performance.now();
  let said = started - sayEvery + 1000;
  for (;;) {
    signal.throwIfAborted();
    const open = await look();
    if (open.length === 0) return;
    const now = performance.now();
    if (now > deadline) throw stillOpen(open, `waited ${formatSeconds((now - started) / 1000)}`);
    if (now - said >= sayEvery) {
      said = now;
      for (const each of open) {
        const sql = endingSql(each);
        say(`waiting for ${transactionWords(each)}${sql === null ? '' : `; to end it: ${sql}`}`);
      }
    }
    await pause(between, signal);
  }
}
