import type { DecodedWal, DecodeTrial } from '../../../core/api/assessment.ts';
import { formatLsn, parseLsn } from '../../../core/postgres/lsn.ts';
import { quoteIdent } from '../../../core/postgres/quote.ts';
import { queryMessage } from '../../../core/postgres/socket.ts';
import { type SourceAccess, ask } from '../session.ts';
import { type NewSlot, createSlot, temporaryName } from '../slot.ts';
import { Framer, KEEPALIVE, type Region, ReplicationSocket } from '../stream/replication-socket.ts';
import { standbyStatus } from '../stream/status.ts';
import { WireSession } from '../stream/wire-session.ts';

/** Milliseconds between queries of the server's progress. */
const askEvery = 10;

/**
 * A temporary slot, which is dropped with its session, also when this process is killed. Its plugin is test_decoding,
 * as pgoutput needs a publication, which would outlive a kill; it decodes the changes of every table of the database.
 */
export async function startDecoding(access: SourceAccess, signal: AbortSignal): Promise<DecodeTrial> {
  const name = temporaryName(access);
  const request = { name, temporary: true, exportSnapshot: false, plugin: 'test_decoding' } as const;
  const made = await createSlot(access, request, signal);
  let ran = false;
  return {
    run: (ms, stop) => {
      ran = true;
      return decode({ access, slot: name, made }, ms, stop);
    },
    // The trial itself closes the connection.
    [Symbol.asyncDispose]: async () => (ran ? undefined : await made.close()),
  };
}

interface Decoder {
  readonly access: SourceAccess;
  readonly slot: string;
  readonly made: NewSlot;
}

async function decode({ access, slot, made }: Decoder, ms: number, signal: AbortSignal): Promise<DecodedWal> {
  const end = await ask(access, signal, async (client) => {
    const { rows } = await client.query<{ at: string }>(
      `SELECT CASE WHEN pg_is_in_recovery() THEN coalesce(pg_last_wal_replay_lsn(), '0/0') ELSE pg_current_wal_flush_lsn() END AS at`,
    );
    return parseLsn(rows[0]!.at);
  });
  const from = made.consistentPoint;
  const done = Promise.withResolvers<void>();
  const began = performance.now();
  const seen = { upTo: from, at: began };
  const reader = { arrived: () => {}, failed: done.reject };
  const options = { name: access.name, statusInterval: 10_000, silence: 60_000, asks: false, binary: false };
  const session = new WireSession({ ...options, log: access.log }, reader);
  const push = (frames: Region): void => {
    const upTo = lastPosition(frames);
    if (upTo === null || upTo <= seen.upTo) return;
    Object.assign(seen, { upTo, at: performance.now() });
    if (upTo >= end) done.resolve();
  };
  const framer = new Framer({ frames: { push }, session, reader });
  const socket = new ReplicationSocket(made.client, { framer, lost: (error) => session.lost(error) });
  const stop = (): void => done.reject(signal.reason);
  signal.addEventListener('abort', stop, { once: true });
  const enough = setTimeout(() => done.resolve(), ms);
  const asking = setInterval(() => socket.write(standbyStatus(0n, BigInt(Date.now()) * 1000n, true)), askEvery);
  try {
    const command = `START_REPLICATION SLOT ${quoteIdent(slot)} LOGICAL ${formatLsn(from)}`;
    // The first failure is thrown; the other must not count as unhandled.
    await Promise.all([session.start(socket, queryMessage(command)), done.promise]);
  } finally {
    signal.removeEventListener('abort', stop);
    clearTimeout(enough);
    clearInterval(asking);
    session.abandon(new Error('the trial is over'));
  }
  return { bytes: Number(seen.upTo - from), seconds: (seen.at - began) / 1000 };
}

/** How far the server has decoded, as the last keepalive in these frames says (manual: "Streaming Replication Protocol"). */
function lastPosition({ buffer, view, start, end }: Region): bigint | null {
  let last: bigint | null = null;
  for (let at = start; at < end; at += 1 + view.getInt32(at + 1)) {
    if (buffer[at + 5] === KEEPALIVE) last = view.getBigUint64(at + 6);
  }
  return last;
}
