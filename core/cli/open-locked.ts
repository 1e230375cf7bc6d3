import { openChain } from '../operations/chain/open-chain.ts';
import { verifyError } from '../operations/verify/errors.ts';
import { isLocked } from '../pipeline/open/take-over.ts';
import type { OpenPipeline } from '../pipeline/open/open-pipeline.ts';
import type { Cli } from './cli.ts';
import { type OpenVerb, openFor } from './open.ts';

/** A pipeline, with its lock unless another process holds that. */
export interface MaybeLocked extends AsyncDisposable {
  readonly pipeline: OpenPipeline;
  readonly locked: boolean;
}

/** For verbs that work both beside a run and without one, and need to know which is the case. */
export async function openLocked(cli: Cli, verb: Omit<OpenVerb, 'lock'>): Promise<MaybeLocked> {
  try {
    return wrap(await openFor(cli, { ...verb, lock: 'hold' }), true);
  } catch (error) {
    if (!isLocked(error)) throw error;
    return wrap(await openFor(cli, { ...verb, lock: 'none' }), false);
  }
}

/**
 * The same; for a file that applies a journal, the pipeline that writes it together with the appliers, as one from the source to the
 * targets. `locked` is then of the pipeline that writes.
 */
export async function openEnds(cli: Cli, verb: Omit<OpenVerb, 'lock'>): Promise<MaybeLocked> {
  const opened = await openLocked(cli, verb);
  const { upstream } = opened.pipeline.instances.source;
  if (upstream === undefined) return opened;
  await using made = new AsyncDisposableStack();
  made.use(opened);
  if (upstream.file === null) throw verifyError('PGS7055', `${verb.file} does not say which file writes the journal`);
  const { pipeline: reader, locked } = made.use(await openLocked(cli, { ...verb, file: upstream.file }));
  const ends = { reader, applier: opened.pipeline, applierLocked: opened.locked };
  const chain = made.use(await openChain(ends));
  const all = made.move();
  return { pipeline: { ...reader, chain }, locked, [Symbol.asyncDispose]: () => all.disposeAsync() };
}

function wrap(pipeline: OpenPipeline, locked: boolean): MaybeLocked {
  return { pipeline, locked, [Symbol.asyncDispose]: () => pipeline[Symbol.asyncDispose]() };
}
