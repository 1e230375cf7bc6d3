import type { Logger } from '../../../core/base/logger.ts';
import type { SourceAccess } from '../session.ts';
import { emit } from './control.ts';

/** Content of a heartbeat's logical message. */
export const heartbeatContent = '{"kind":"heartbeat"}';

/**
 * Writes a small message into the source's WAL periodically, so that the lag is known on a quiet database and the slot
 * advances while other databases of the server write. A failure is logged: the stream itself reports a lost server.
 */
export class Heartbeat {
  readonly #access: SourceAccess;
  readonly #every: number;
  readonly #log: Logger;
  #timer: NodeJS.Timeout | null = null;
  #busy = false;
  readonly #ending = new AbortController();

  /** `every` in milliseconds. */
  constructor(access: SourceAccess, every: number, log: Logger) {
    this.#access = access;
    this.#every = every;
    this.#log = log;
  }

  start(): void {
    this.#timer ??= setInterval(() => void this.#beat(), this.#every).unref();
  }

  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
    this.#ending.abort();
  }

  async #beat(): Promise<void> {
    if (this.#busy) return;
    this.#busy = true;
    try {
      await emit(this.#access, heartbeatContent, this.#ending.signal);
    } catch (error) {
      if (this.#ending.signal.aborted) return;
      const message = error instanceof Error ? error.message : String(error);
      this.#log.log('warn', 'heartbeat-failed', `heartbeat not written: ${message}`);
    } finally {
      this.#busy = false;
    }
  }
}
