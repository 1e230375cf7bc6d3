import type { RunView } from '../../pipeline/progress/run-view.ts';

/** Why a run is not ready, for `/readyz`. `code` is stable. */
export interface Reason {
  readonly code: 'not-following' | 'stream-retrying' | 'sink-retrying' | 'source-unreachable' | 'slot-lost' | 'behind';
  readonly message: string;
}

/** Behind by more than both is not ready: a burst or a quiet hour alone says nothing. */
const behind = { bytes: 64 * 1024 * 1024, seconds: 60 };

/** Ready: the copy is through, the stream is followed, and what it brings arrives. Pure. */
export function reasonsAgainst(view: RunView, now: number): readonly Reason[] {
  const reasons: Reason[] = [];
  const add = (code: Reason['code'], message: string) => void reasons.push({ code, message });
  if (view.phase !== 'follow') add('not-following', `the run is in phase ${view.phase}`);
  if (view.retrying !== null) add('stream-retrying', `the stream is opened again after ${view.retrying}`);
  if (view.sourceError !== null)
    add('source-unreachable', `the last look at the source failed with ${view.sourceError}`);
  if (view.walStatus === 'lost') add('slot-lost', 'the source has dropped WAL that the slot needs');
  for (const sink of view.sinks.values()) {
    if (sink.retrying !== null) add('sink-retrying', `sink ${sink.name} is tried again after ${sink.retrying}`);
    const bytes = view.lagBytes(sink);
    const seconds = view.lagSeconds(sink, now);
    if (bytes !== null && seconds !== null && bytes > behind.bytes && seconds > behind.seconds) {
      add('behind', `sink ${sink.name} is ${bytes} bytes and ${Math.round(seconds)} seconds behind`);
    }
  }
  return reasons;
}
