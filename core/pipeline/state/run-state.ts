export type RunPhase = 'starting' | 'schema' | 'copy' | 'index' | 'catch-up' | 'follow' | 'stopping' | 'done';

/**
 * The state of this process that decisions depend on: whether a failed start is undone, whether a retry made progress,
 * whether every sink is past a look at the source, whether a changed file can be taken up. Displays derive from it and
 * decide nothing.
 */
export class RunState {
  #phase: RunPhase = 'starting';
  #phaseSince = Date.now();
  readonly #durable = new Map<string, bigint>();
  /** Highest position confirmed to the source by this process. */
  confirmed: bigint | null = null;

  get phase(): RunPhase {
    return this.#phase;
  }
  /** Milliseconds since 1970. */
  get phaseSince(): number {
    return this.#phaseSince;
  }

  enter(phase: RunPhase): void {
    if (this.#phase === phase) return;
    this.#phase = phase;
    this.#phaseSince = Date.now();
  }

  /** No row of a table can have been copied yet. */
  get beforeCopy(): boolean {
    return this.#phase === 'starting' || this.#phase === 'schema';
  }

  get isFollowing(): boolean {
    return this.#phase === 'catch-up' || this.#phase === 'follow';
  }

  /**
   * A sink survives a crash with everything up to this position. After a failure the position may be lower than before.
   */
  setDurable(sink: string, upTo: bigint): void {
    this.#durable.set(sink, upTo);
  }

  durable(sink: string): bigint | null {
    return this.#durable.get(sink) ?? null;
  }

  /** Everything up to a position is durable in these sinks. */
  isPast(at: bigint, sinks: readonly string[]): boolean {
    if ((this.confirmed ?? 0n) >= at) return true;
    return sinks.every((sink) => (this.durable(sink) ?? 0n) >= at);
  }
}
