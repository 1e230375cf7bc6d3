import type { LargeObject, SnapshotSession } from '../../api/snapshot.ts';
import type { PlannedSink, RunContext } from '../open/instances.ts';
import type { RateLimit } from './rate-limit.ts';

export interface LargeObjectRun {
  readonly sinks: readonly PlannedSink[];
  readonly session: SnapshotSession;
  readonly limit: RateLimit;
  readonly signal: AbortSignal;
}

/** Bytes of one transaction in the target, about. */
const groupBytes = 16 << 20;

/**
 * Copies large objects beside the tables, one after the other, under the same snapshot, and says that what happens to them
 * later does not replicate: logical decoding does not carry them.
 */
export async function copyLargeObjects(context: RunContext, run: LargeObjectRun): Promise<void> {
  for (const { name, sink } of run.sinks) {
    const to = sink.snapshot.largeObjects;
    if (to === undefined || run.session.largeObjects === undefined) continue;
    const after = await to.from(run.signal);
    if (after === null) continue;
    let [objects, bytes] = [0, 0];
    let group: LargeObject[] = [];
    let size = 0;
    for await (const batch of run.session.largeObjects(after, run.signal)) {
      for (const object of batch) {
        const read = object.first.length / 2;
        group.push({ ...object, rest: object.rest && metered(object.rest, (n) => (bytes += n), run) });
        await pay(read, run);
        bytes += read;
        size += read;
        objects++;
        // One that goes on ends its group, so that a kill costs no more than that object.
        if (size < groupBytes && object.rest === null) continue;
        await to.write(group, run.signal);
        [group, size] = [[], 0];
      }
    }
    await to.write(group, run.signal);
    await to.done(run.signal);
    if (objects === 0) continue;
    context.log.log(
      'warn',
      'large-objects-copied',
      `${objects} large objects are copied as the snapshot has them; later changes to large objects do not replicate`,
      { sink: name, objects, bytes },
    );
  }
}

async function* metered(pieces: AsyncIterable<string>, count: (bytes: number) => void, run: LargeObjectRun) {
  for await (const piece of pieces) {
    count(piece.length / 2);
    await pay(piece.length / 2, run);
    yield piece;
  }
}

async function pay(bytes: number, { limit, signal }: LargeObjectRun): Promise<void> {
  if (limit.limited) await limit.take(bytes, signal);
}
