import { pause } from '../../../base/backoff.ts';
import type { RunContext } from '../../../pipeline/open/instances.ts';
import { verifyError } from '../errors.ts';

/** Milliseconds: what is open for less will most likely end soon; what is open for longer than the second will not. */
const [short, long] = [1000, 10_000];

/**
 * A snapshot with an exact position can be taken once the transactions that are open have ended, and the sinks would stand still meanwhile. So
 * it is waited for before they do. Throws PGS5067 where one stays.
 */
export async function awaitShort({ source, stop }: RunContext, patience: number): Promise<void> {
  const { fence } = source;
  if (fence === undefined) return;
  const deadline = Date.now() + patience;
  for (;;) {
    const open = await fence.transactions([], stop);
    const oldest = open.reduce((most, one) => ((one.seconds ?? 0) > (most?.seconds ?? 0) ? one : most), open[0]);
    const ms = (oldest?.seconds ?? 0) * 1000;
    if (oldest === undefined || ms < short) return;
    if (Date.now() > deadline) {
      if (ms < long) return;
      const who = oldest.gid === null ? `session ${oldest.pid ?? '?'}` : `the prepared transaction ${oldest.gid}`;
      throw verifyError('PGS5067', `${who} holds a transaction open for ${Math.round(ms / 1000)} s`);
    }
    await pause(250, stop);
  }
}
