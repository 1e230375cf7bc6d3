import type { CheckpointStore } from '../../api/checkpoint.ts';
import type { Metrics } from '../../base/metrics.ts';
import type { Logger } from '../../base/logger.ts';
import type { PgsluiceError } from '../../base/error.ts';
import type { ParentPlan, TablePlan } from '../../api/plan.ts';
import type { Sink, SinkTraits } from '../../api/sink.ts';
import type { Source } from '../../api/source.ts';
import type { Transform } from '../../api/transform.ts';
import type { RunView } from '../progress/run-view.ts';
import type { PipelineState } from '../state/pipeline-state.ts';
import type { PipelineDeadLetters } from '../dead-letters/dead-letters.ts';
import type { RunState } from '../state/run-state.ts';
import type { Uncopied } from '../ledger/uncopied.ts';

/** A transform of the file, ready to plan. */
export interface TransformStep {
  readonly transform: Transform;
  readonly tables: readonly string[] | null;
  readonly label: string;
  /** An error of this step at its place in the pipeline file. */
  readonly place?: (error: PgsluiceError) => PgsluiceError;
}

export interface SinkInstance {
  readonly name: string;
  readonly plugin: string;
  readonly sink: Sink;
  readonly tables: readonly string[] | null;
  /** The pipeline's transforms, then the sink's own. */
  readonly steps: readonly TransformStep[];
  /** Bytes of memory for changes that wait for it. */
  readonly buffer: number;
}

/** Everything that the file names, created; disposed of together. */
export interface Instances extends AsyncDisposable {
  readonly source: Source;
  readonly sinks: readonly SinkInstance[];
  readonly store: CheckpointStore;
  /** Null if the file has no `dead_letter`. */
  readonly deadLetters: PipelineDeadLetters | null;
}

/** A sink with what the planner made for it. */
export interface PlannedSink extends SinkInstance {
  readonly traits: SinkTraits;
  readonly plans: readonly TablePlan[];
  readonly parents: readonly ParentPlan[];
}

/** What the phases of a run share. */
export interface RunContext {
  readonly pipeline: string;
  readonly source: Source;
  readonly state: PipelineState;
  /** The state that decides, and the view that is shown. */
  readonly run: RunState;
  readonly view: RunView;
  readonly log: Logger;
  readonly metrics: Metrics;
  /** First SIGINT or SIGTERM: end cleanly. */
  readonly stop: AbortSignal;
  /** Absent: every table is copied, or waits beside the stream. */
  readonly uncopied?: Uncopied;
}
