import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from '../../base/logger.ts';
import { runtimeError } from '../errors.ts';
import type { Instances } from './instances.ts';
import { encodeControl } from '../control/control-message.ts';
import { needed } from './capability.ts';
import { isPgsluiceError } from '../../registry/call.ts';

export interface TakeOverOptions {
  readonly pipeline: string;
  readonly instances: Instances;
  readonly log: Logger;
  readonly stop: AbortSignal;
  readonly timeoutMs: number;
}

/**
 * Takes the pipeline's lock. A run in another process is ended at a barrier in the stream: a logical message in the
 * source's WAL, at which the run makes everything durable and exits. Returns whether there was one.
 */
export async function takeOver(options: TakeOverOptions): Promise<boolean> {
  const { instances, log, stop, pipeline } = options;
  if (await tryLock(instances, stop)) return false;
  const id = randomUUID();
  const deadline = Date.now() + options.timeoutMs;
  const control = needed(instances.source, 'control', 'ending a run in another process');
  await control.emit(encodeControl(pipeline, { kind: 'barrier', id, after: 'stop', until: deadline }), stop);
  log.log('info', 'barrier-sent', 'asked the run in the other process to end at a barrier in the stream', {
    barrier: id,
  });
  while (!(await tryLock(instances, stop))) {
    if (Date.now() > deadline) {
      throw runtimeError(
        'PGS6010',
        `the run in the other process did not reach the barrier in ${options.timeoutMs / 1000} s`,
      );
    }
    await sleep(50);
    stop.throwIfAborted();
  }
  return true;
}

async function tryLock(instances: Instances, stop: AbortSignal): Promise<boolean> {
  try {
    await instances.store.lock(stop);
    return true;
  } catch (error) {
    if (isLocked(error)) return false;
    throw error;
  }
}

/** Whether an error says that another process holds the pipeline. */
export function isLocked(error: unknown): boolean {
  return isPgsluiceError(error) && error.meaning === 'locked';
}
