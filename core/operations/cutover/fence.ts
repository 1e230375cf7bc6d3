import type { FenceTable, WriteFence } from '../../api/source-control.ts';
import { failpoint } from '../../base/failpoint.ts';
import { formatSeconds } from '../../base/format.ts';
import { pause } from '../../base/backoff.ts';
import { relationName } from '../../postgres/relation.ts';
import type { RunContext } from '../../pipeline/open/instances.ts';
import type { Planning } from '../../pipeline/open/planning.ts';
import { verifyError } from '../verify/errors.ts';
import { cutoverError } from './errors.ts';
import { stillOpen, transactionWords, waitForTransactions } from './open-transactions.ts';
import type { CutoverOptions } from './options.ts';
import { type CutoverRecord, writeRecord } from './record.ts';

export interface FenceInput {
  readonly options: CutoverOptions;
  /** Of this process, which holds the lock. */
  readonly context: RunContext;
  readonly planning: Planning;
}

/** Milliseconds between two tries to close tables that open transactions keep locked. */
const between = 200;
const sayEvery = 10_000;

/** Every table that a sink gets, once. */
export function fencedTables({ sinks }: Planning): readonly FenceTable[] {
  const tables = sinks.flatMap(({ plans }) => plans.map((plan) => plan.source));
  return [...new Map(tables.map((table) => [relationName(table), table])).values()];
}

/**
 * Before the writers are asked to stop: every reason for which the fence would be refused. Throws PGS7041 with the
 * statements.
 */
export async function refuseUnfenced({ options, context, planning }: FenceInput): Promise<void> {
  if (options.fence === 'none') return;
  const fence = fenceOf(context);
  const kind = options.fence === 'auto' ? 'triggers' : options.fence;
  const lacks = await fence.obstacles(kind, fencedTables(planning), context.stop);
  if (lacks.length === 0) return;
  throw cutoverError('PGS7041', `the role of the source lacks rights for the fence: ${lacks.join(' ')}`);
}

/** Saved before the fence goes up, so that a later process can take it down. An existing plan is continued. */
export async function planFence(
  input: FenceInput,
  record: CutoverRecord,
  admits: string | null,
): Promise<CutoverRecord> {
  if (record.fence !== null) return record;
  const { options, context, planning } = input;
  const kind = options.fence === 'auto' || options.fence === 'none' ? 'triggers' : options.fence;
  const fence = await fenceOf(context).plan({ kind, tables: fencedTables(planning), admits }, context.stop);
  const saved = { ...record, fence };
  await writeRecord(context.state, saved);
  return saved;
}

/**
 * Resolves when the tables are closed and every transaction that had written before has ended. Throws PGS7040 with
 * those that have not.
 */
export async function raiseFence(input: FenceInput, { fence: plan }: CutoverRecord): Promise<void> {
  const { options, context } = input;
  failpoint('cutover-fence');
  const done = await closeAll(input, fenceOf(context), plan);
  const words = done.join(', ');
  options.say(options.fence === 'auto' ? `the fence is up: ${words}` : `ready: fence ${options.fence}: ${words}`);
  failpoint('cutover-fenced');
  await waitForWriters(input);
}

/** Open transactions that have written keep a table from being closed: the fence waits for them, and logs them. */
async function closeAll(
  { options, context }: FenceInput,
  fence: WriteFence,
  plan: CutoverRecord['fence'],
): Promise<readonly string[]> {
  const started = performance.now();
  let said = started - sayEvery;
  let first: readonly string[] | null = null;
  for (;;) {
    const { done, waitsFor } = await fence.up(plan, context.stop);
    first ??= done;
    if (waitsFor.length === 0) return first;
    const now = performance.now();
    if (now - started > options.patience) throw stillOpen(waitsFor, `waited ${formatSeconds((now - started) / 1000)}`);
    if (now - said >= sayEvery) {
      said = now;
      for (const each of waitsFor) options.say(`waiting for ${transactionWords(each)}`);
    }
    await pause(between, context.stop);
  }
}

/** Waits for every open transaction that has written in the database; behind a fence no new one can begin to write. */
export async function waitForWriters({ options, context, planning }: FenceInput): Promise<void> {
  const deadline = performance.now() + options.patience;
  await waitForTransactions(context.source.fence, fencedTables(planning), {
    deadline,
    signal: context.stop,
    say: options.say,
  });
}

/** Without a fence: sessions that hold a lock for writing on our tables at this moment. */
export async function writersNow({ context, planning }: FenceInput): Promise<number> {
  const open = (await context.source.fence?.transactions(fencedTables(planning), context.stop)) ?? [];
  return open.filter(({ tables }) => tables.length > 0).length;
}

/** Throws PGS7042 unless no session can write behind the fence. */
export async function proveFence({ options, context }: FenceInput, record: CutoverRecord): Promise<void> {
  if (record.fence === null) return;
  const { open, roles } = await fenceOf(context).prove(record.fence, context.stop);
  if (open.length > 0) throw cutoverError('PGS7042', open.join(' · '));
  options.say(`the fence holds: tried to write as ${roles.join(', ')}`);
}

function fenceOf({ source }: RunContext): WriteFence {
  if (source.fence === undefined) throw verifyError('PGS7010', 'this source has no write fence');
  return source.fence;
}
