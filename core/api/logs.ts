/**
 * One log of several that processes share. Whoever reads it has claimed it in the sink ({@link StreamSink.claim}); the sink commits
 * `next` with the rows, and only where the log stands at `from` under the same claim: else another process has it by now.
 */
export interface LogStep {
  readonly log: string;
  readonly claim: bigint;
  readonly from: bigint;
  readonly next: bigint;
}

export interface LogClaim {
  /** What the log was when it was claimed for the first time: a log that was made again bears the same name. */
  readonly of: string;
  readonly claim: bigint;
  /** Where the log is to be read on; null: nothing of it was applied yet. */
  readonly next: bigint | null;
}

/** What was written to a log, committed or not. */
export interface LogEnd {
  /** As in {@link LogClaim}. */
  readonly of: string;
  readonly start: bigint;
  readonly end: bigint;
}

/** Where a source reads what another pipeline wrote, so that `verify` and `cutover` can look at the source of that one. */
export interface Upstream {
  /** The other pipeline's file, absolute; null: the file of this one does not name it. */
  readonly file: string | null;
  /** All logs as they are now, by name. */
  ends(signal: AbortSignal): Promise<ReadonlyMap<string, LogEnd>>;
}

/** Steps that follow on each other as one. */
export function joinSteps(steps: readonly LogStep[]): readonly LogStep[] {
  const joined: LogStep[] = [];
  for (const step of steps) {
    const at = joined.findLastIndex(({ log }) => log === step.log);
    const before = joined[at];
    if (before === undefined || before.claim !== step.claim || before.next !== step.from) joined.push(step);
    else joined[at] = { ...before, next: step.next };
  }
  return joined;
}
