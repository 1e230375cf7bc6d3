import type { Change } from '../../../core/api/change.ts';
import type { LogStep } from '../../../core/api/logs.ts';
import { Exchange, type Script, type Steps } from './round-trip.ts';
import type { Send } from './wire.ts';

/** Bytes that are written before they may go out: so much keeps the target at work while the rest is written. */
const enough = 1 << 20;

/** One round trip, and how far its script is written. */
export interface RoundTrip {
  readonly script: Script;
  readonly exchange: Exchange;
}

/** What a script was written for. */
interface Ahead {
  readonly changes: readonly Change[];
  /** The transaction of the batch before goes on in this one. */
  readonly open: boolean;
  readonly logs: readonly LogStep[] | undefined;
}

/** The script of the batch behind the one that is being applied, written while the target works, and kept back. */
export class LookAhead implements RoundTrip {
  readonly of: Ahead;
  readonly exchange: Exchange;
  readonly script: Script;
  readonly #pieces: (readonly [bytes: Buffer, done: () => void])[] = [];
  #bytes = 0;
  #released = false;
  #steps: Steps | null = null;

  constructor(of: Ahead, exchange: Exchange, script: (send: Send) => Script) {
    this.of = of;
    this.exchange = exchange;
    this.script = script((bytes, done) => this.#send(bytes, done));
  }

  /** Writes a first part of it. Throws what cannot be written. */
  write(steps: Steps): void {
    this.#steps = steps;
    while (this.#bytes < enough && steps.next().done !== true);
  }

  /** Its turn has come: what is written goes out. What is left to be written: */
  release(): Steps {
    this.#released = true;
    for (const [bytes, done] of this.#pieces) this.exchange.send(bytes, done);
    this.#pieces.length = 0;
    return this.#steps as Steps;
  }

  #send(bytes: Buffer, done: () => void): void {
    if (this.#released) return this.exchange.send(bytes, done);
    this.#pieces.push([bytes, done]);
    this.#bytes += bytes.length;
  }
}
