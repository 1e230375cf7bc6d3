import type { FenceKind } from '../../api/source-control.ts';
import type { OpenPipeline } from '../../pipeline/open/open-pipeline.ts';
import type { Uncovered } from '../coverage/uncovered.ts';
import type { VerifyReport } from '../verify/run-verify.ts';
import type { OpenBack } from './way-back.ts';
import type { WayBackSteps } from './way-back-file.ts';

/**
 * When source and target are compared. `full`: every row, before the writers stop. `final`: every row, after they have
 * stopped. `sampled`: some ranges of large tables, before they stop. `none`: never.
 */
export type VerifyMode = 'full' | 'final' | 'sampled' | 'none';

/**
 * `auto`: the writers are asked to stop, and once no change arrives the tables are closed to any that are left. `none`:
 * nothing keeps writers out; the user stops them. The other kinds are put up at once.
 */
export type FenceChoice = FenceKind | 'auto' | 'none';

export interface CutoverOptions {
  readonly pipeline: OpenPipeline;
  /** This process holds the pipeline's lock; if not, a run in another process does, and is taken over. */
  readonly locked: boolean;
  /** Everything but the irreversible steps; a run in another process goes on. */
  readonly dryRun: boolean;
  readonly fence: FenceChoice;
  /** Names of objects that may be missing or differ in the target: see Uncovered. */
  readonly accept: ReadonlySet<string>;
  readonly verify: VerifyMode;
  /** File for the reverse pipeline; null: none is written. */
  readonly wayBack: string | null;
  readonly openBack: OpenBack;
  /** The transforms that the reverse pipeline's file is made of. */
  readonly steps: WayBackSteps;
  /** Bytes that a run in another process may be behind when it is taken over. */
  readonly maxLag: number;
  /** Milliseconds to wait for the lag, and then again for the writers to stop. */
  readonly patience: number;
  /** Milliseconds without a change after which the writers count as stopped. */
  readonly quiet: number;
  /** A line for people per step. */
  readonly say: (line: string) => void;
}

export interface CutoverReport {
  /** The target is the one to write to. */
  readonly done: boolean;
  readonly verify: VerifyReport | null;
  /** Entries that kept the cutover from GO; empty: none. */
  readonly blocked: readonly Uncovered[];
  /** Seconds from the last change on the source (or from the fence) to GO; null if the writers were not stopped. */
  readonly writeStopped: number | null;
}
