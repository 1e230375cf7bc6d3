import { runStream } from '../../pipeline/stream/run-stream.ts';
import { type Followed, streamOptions } from './stream-options.ts';

/** Follows the stream in this process up to a position; the caller holds the lock. Returns how many row changes came. */
export async function catchUp(of: Followed, until: bigint): Promise<number> {
  const { options, count } = await streamOptions(of);
  // A barrier that somebody wrote and gave up waiting for is no end.
  while ((await runStream(of.context, { ...options, until })) === 'barrier');
  return count.seen;
}
