import type { FenceKind } from '../../api/source-control.ts';
import type { OpenPipeline } from '../../pipeline/open/open-pipeline.ts';
import type { Uncovered } from '../coverage/uncovered.ts';
import type { VerifyReport } from '../verify/run-verify.ts';
import type { OpenBack } from './way-back.ts';
import type { WayBackSteps } from './way-back-file.ts';

/**
 * When source and target are compared. `full`: every row, before the writers stop. `final`: every row, while they stand
 * still. `sampled`: before they stop, of large tables some ranges. `none`: not.
 */
export type VerifyMode = 'full' | 'final' | 'sampled' | 'none';

/**
 * `auto`: the writers are asked to stop, and once no change comes the tables are closed to whoever goes on. `none`: nothing
 * keeps them; you stop them. The others are put up at once.
 */
export type FenceChoice = FenceKind | 'auto' | 'none';

export interface CutoverOptions {
  readonly pipeline: OpenPipeline;
  /** This process holds the pipeline's lock; else a run elsewhere does, and is taken over. */
  readonly locked: boolean;
  /** Everything but the irreversible; a run elsewhere goes on. */
  readonly dryRun: boolean;
  readonly fence: FenceChoice;
  /** Names of what may be missing or differ in the target: see Uncovered. */
  readonly accept: ReadonlySet<string>;
  readonly verify: VerifyMode;
  /** File for the pipeline that leads back; null: none is made. */
  readonly wayBack: string | null;
  readonly openBack: OpenBack;
  /** What its transforms are made of. */
  readonly steps: WayBackSteps;
  /** Bytes that a run elsewhere may be behind when it is taken over. */
  readonly maxLag: number;
  /** Milliseconds to wait for the lag, and then again for the writers to stop. */
  readonly patience: number;
  /** Milliseconds without a change that count as: the writers have stopped. */
  readonly quiet: number;
  /** A line for people per step. */
  readonly say: (line: string) => void;
}

export interface CutoverReport {
  /** The target is the one to write to. */
  readonly done: boolean;
  readonly verify: VerifyReport | null;
  /** What keeps it from the go; empty: nothing did. */
  readonly blocked: readonly Uncovered[];
  /** Seconds from the last change on the source (or the fence) to the go; null where the writers were not stopped. */
  readonly writeStopped: number | null;
}
