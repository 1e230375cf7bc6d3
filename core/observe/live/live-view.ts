import type { LogFields, Logger, LogLevel } from '../../base/logger.ts';
import { redact } from '../../base/redact.ts';
import type { RunView } from '../../pipeline/progress/run-view.ts';
import { renderLive } from './render.ts';
import { printable, textWidth } from '../../base/terminal-text.ts';

interface Terminal extends NodeJS.WritableStream {
  readonly columns?: number;
  readonly rows?: number;
}

export interface LiveOptions {
  /** Debug lines are shown, too. */
  readonly debug: boolean;
}

const quiet: ReadonlySet<string> = new Set(['progress', 'table-copied', 'table-finished']);

/** Draws the run at the bottom of a terminal, several times a second; log lines go above it. */
export class LiveView implements Disposable {
  readonly #out: Terminal;
  readonly #options: LiveOptions;
  readonly #timer: NodeJS.Timeout;
  #view: RunView | null = null;
  #drawn: readonly string[] = [];

  constructor(out: Terminal, options: LiveOptions) {
    this.#out = out;
    this.#options = options;
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
        if (level === 'debug' ? this.#options.debug : !quiet.has(event)) this.#print(level, message);
      },
    };
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    this.#draw();
    this.#drawn = [];
  }

  #print(level: LogLevel, message: string): void {
    const mark = level === 'info' ? '' : `${level}: `;
    const line = `${new Date().toISOString().slice(11, 19)}  ${mark}${printable(redact(message))}\n`;
    this.#out.write(`${this.#erasure()}${line}`);
    this.#draw();
  }

  #draw(): void {
    if (this.#view === null) return;
    const screen = { columns: this.#out.columns ?? 100, rows: this.#out.rows ?? 30, now: Date.now() };
    const lines = renderLive(this.#view, screen);
    // One write, so that nobody sees the gap between the old picture and the new one.
    this.#out.write(`${this.#erasure()}${lines.join('\n')}\n`);
    this.#drawn = lines;
  }

  /** What takes the last picture off the screen: cursor up, clear to the end (ECMA-48: CUU, ED). */
  #erasure(): string {
    const columns = Math.max(1, this.#out.columns ?? 100);
    let rows = 0;
    // A screen that was made narrower since has wrapped what was drawn.
    for (const line of this.#drawn) rows += Math.max(1, Math.ceil(textWidth(line) / columns));
    this.#drawn = [];
    return rows === 0 ? '' : `\u001b[${rows}A\u001b[J`;
  }
}
