import { formatBytes } from '../../base/format.ts';
import { pause } from '../../base/backoff.ts';
import type { Instances, RunContext } from '../../pipeline/open/instances.ts';
import { knownNames } from '../../pipeline/state/known-tables.ts';
import { verifyError } from '../verify/errors.ts';
import { needed } from '../../pipeline/open/capability.ts';

/** Throws PGS7004 or PGS7051 unless the stream can be followed and every table is finished in every sink that takes it. */
export async function checkReady(context: RunContext, instances: Instances): Promise<void> {
  const { state, source } = context;
  const phase = state.head?.phase ?? 'not started';
  if (phase !== 'stream') throw verifyError('PGS7004', `the pipeline is in phase ${phase}`);
  const waiting = state.get('resync');
  if (waiting !== null)
    throw verifyError('PGS7004', 'tables of an earlier resync are not copied yet: run it to its end');
  const known = knownNames(state)?.size ?? 0;
  for (const { name } of instances.sinks) {
    const open = [...state.tables(name)].filter(([, table]) => table.state !== 'finished').map(([table]) => table);
    if (open.length > 0) throw verifyError('PGS7004', `not finished in ${name}: ${open.join(', ')}`);
  }
  const slot = await needed(source, 'control', 'a cutover').slot.status(context.stop);
  if (slot === null) throw verifyError('PGS7051', 'the replication slot of this pipeline does not exist on the source');
  if (slot.walStatus === 'lost')
    throw verifyError('PGS7051', `the source has dropped WAL that slot ${slot.name} needs`);
  context.log.log('info', 'cutover-ready', `${known} tables are finished`, { tables: known });
}

export interface LagBound {
  readonly bytes: number;
  /** Milliseconds to wait for it. */
  readonly patience: number;
  readonly say: (line: string) => void;
}

/** Waits until a run in another process is close behind, so that the cutover has little to catch up with. */
export async function waitForLag(context: RunContext, bound: LagBound): Promise<void> {
  const deadline = Date.now() + bound.patience;
  for (let said = 0; ; ) {
    const slot = await needed(context.source, 'control', 'a cutover').slot.status(context.stop);
    if (slot === null) throw verifyError('PGS7051', 'the replication slot is gone');
    const lag = Number(slot.current - slot.confirmed);
    if (lag <= bound.bytes) return;
    const words = `the run is ${formatBytes(lag)} behind, the bound is ${formatBytes(bound.bytes)}`;
    if (Date.now() > deadline) throw verifyError('PGS7052', words);
    if (Date.now() - said > 10_000) {
      said = Date.now();
      bound.say(`waiting: ${words}`);
    }
    await pause(500, context.stop);
  }
}
