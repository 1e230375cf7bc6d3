import { isLocked } from '../pipeline/open/take-over.ts';
import type { OpenPipeline } from '../pipeline/open/open-pipeline.ts';
import type { Cli } from './cli.ts';
import { type OpenVerb, openFor } from './open.ts';

/** A pipeline, with its lock where no other process has it. */
export interface MaybeLocked extends AsyncDisposable {
  readonly pipeline: OpenPipeline;
  readonly locked: boolean;
}

/** For verbs that work beside a run and without one: they need to know which it is. */
export async function openLocked(cli: Cli, verb: Omit<OpenVerb, 'lock'>): Promise<MaybeLocked> {
  try {
    return wrap(await openFor(cli, { ...verb, lock: 'hold' }), true);
  } catch (error) {
    if (!isLocked(error)) throw error;
    return wrap(await openFor(cli, { ...verb, lock: 'none' }), false);
  }
}

function wrap(pipeline: OpenPipeline, locked: boolean): MaybeLocked {
  return { pipeline, locked, [Symbol.asyncDispose]: () => pipeline[Symbol.asyncDispose]() };
}
