import type { LogFields, Logger, LogLevel } from '../../api/context.ts';
import type { RunView } from '../run-view.ts';
import { renderLive, type Rates } from './render.ts';

interface Terminal extends NodeJS.WritableStream {
  readonly columns?: number;
  readonly rows?: number;
}

const quiet: ReadonlySet<string> = new Set(['progress', 'table-copied', 'table-finished']);

/** Draws the run at the bottom of a terminal, several times a second; log lines go above it. */
export class LiveView implements Disposable {
  readonly #out: Terminal;
  readonly #timer: NodeJS.Timeout;
  #view: RunView | null = null;
  #drawn = 0;
  #seen = { at: performance.now(), copy: 0, changes: 0 };
  #rates: Rates = { copyBytes: 0, changes: 0 };

  constructor(out: Terminal) {
    this.#out = out;
    this.#timer = setInterval(() => this.#draw(), 250);
    this.#timer.unref();
  }

  show(view: RunView): void {
    this.#view = view;
  }

  /** A logger whose lines stand above the live part. What the live part shows anyway is left out. */
  logger(fields: LogFields = {}): Logger {
    return {
      child: (more) => this.logger({ ...fields, ...more }),
      log: (level, event, message) => {
        if (level !== 'debug' && !quiet.has(event)) this.#print(level, message);
      },
    };
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    this.#draw();
    this.#drawn = 0;
  }

  #print(level: LogLevel, message: string): void {
    const mark = level === 'info' ? '' : `${level}: `;
    this.#erase();
    this.#out.write(`${new Date().toISOString().slice(11, 19)}  ${mark}${message}\n`);
    this.#draw();
  }

  #draw(): void {
    if (this.#view === null) return;
    this.#measure(this.#view);
    const screen = { columns: this.#out.columns ?? 100, rows: this.#out.rows ?? 30, now: Date.now() };
    const lines = renderLive(this.#view, this.#rates, screen);
    this.#erase();
    this.#out.write(`${lines.join('\n')}\n`);
    this.#drawn = lines.length;
  }

  #erase(): void {
    // Cursor up and clear to the end of the screen (ECMA-48: CUU, ED).
    if (this.#drawn > 0) this.#out.write(`\u001b[${this.#drawn}A\u001b[J`);
    this.#drawn = 0;
  }

  /** Rates over the last second or so, smoothed a little. */
  #measure(view: RunView): void {
    const at = performance.now();
    const seconds = (at - this.#seen.at) / 1000;
    if (seconds < 0.9) return;
    let copy = 0;
    for (const table of view.tables.values()) copy += table.bytes;
    let changes = 0;
    for (const sink of view.sinks.values()) changes += sink.changes;
    this.#rates = {
      copyBytes: Math.max(0, copy - this.#seen.copy) / seconds,
      changes: (changes - this.#seen.changes) / seconds,
    };
    this.#seen = { at, copy, changes };
  }
}
