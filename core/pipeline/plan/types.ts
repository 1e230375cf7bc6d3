import type { Letters } from '../../expr/letters.ts';
import type { PgsluiceError } from '../../base/error.ts';
import type { ParentPlan, TablePlan } from '../../api/plan.ts';
import type { SinkTraits } from '../../api/sink.ts';
import type { SourceParent, SourceTable } from '../../api/source.ts';
import type { Transform } from '../../api/transform.ts';

/** A transform with the tables that it applies to. */
export interface PlanStep {
  readonly transform: Transform;
  /** Globs on the source's `schema.table`; null: all. */
  readonly tables: readonly string[] | null;
  /** The name in errors and notes: `transforms[0] filter`. */
  readonly label: string;
}

/** Everything that planning for one sink needs; planning uses no connection. */
export interface PlanInput {
  readonly tables: readonly SourceTable[];
  /** If `tables` is a part: all tables, by which the patterns are judged. */
  readonly whole?: readonly SourceTable[];
  readonly parents?: readonly SourceParent[];
  /** In order, the file's transforms and then the sink's own. */
  readonly steps: readonly PlanStep[];
  readonly sink: { readonly name: string; readonly tables: readonly string[] | null; readonly traits: SinkTraits };
  /** How the source folds letters; null: ASCII letters only; absent: the source was not asked. */
  readonly letters?: Letters | null;
  /** server_version_num of the source. */
  readonly sourceVersion: number;
  /** Changes follow the snapshot. */
  readonly streaming: boolean;
  /**
   * The source's WAL position just before `tables` were read. A change below it is of a shape no newer than `tables`, so
   * a difference is DDL that the plan already knows. Without it every difference counts as new DDL.
   */
  readonly catalogAt?: bigint;
  /** Name of the pipeline whose DDL messages are carried out; without it they are ignored. */
  readonly followDdl?: string;
  /** Rows of a new shape may precede the message about it, which a look at the catalog wrote. */
  readonly lateDdl?: boolean;
}

export interface PlanResult {
  readonly plans: readonly TablePlan[];
  readonly parents: readonly ParentPlan[];
  /** All of them at once, PGS40xx and PGS41xx. */
  readonly problems: readonly PgsluiceError[];
}
