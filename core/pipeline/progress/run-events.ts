import type { LogFields, Logger, LogLevel } from '../../base/logger.ts';

/** An event of the run, for a timeline. Consecutive equal events are one with a count. */
export interface RunEvent {
  /** Increases with each event; an event that happens again gets a new one. */
  id: number;
  /** Milliseconds since 1970: the first time and the last. */
  readonly at: number;
  last: number;
  count: number;
  readonly level: LogLevel;
  readonly event: string;
  message: string;
}

const kept = 300;
/** Frequent events that are shown elsewhere. */
const leftOut: ReadonlySet<string> = new Set(['progress', 'barrier', 'held', 'table-copied', 'table-finished']);

/** The last events of a run, in bounded memory. They are lines of its log, so none holds a row value (I11). */
export class RunEvents {
  #events: RunEvent[] = [];
  #id = 0;

  note(level: LogLevel, event: string, message: string): void {
    if (level === 'debug' || leftOut.has(event)) return;
    const now = Date.now();
    const before = this.#events.at(-1);
    if (before?.event === event && before.level === level) {
      Object.assign(before, { id: ++this.#id, last: now, count: before.count + 1, message });
      return;
    }
    this.#events.push({ id: ++this.#id, at: now, last: now, count: 1, level, event, message });
    if (this.#events.length > kept) this.#events.shift();
  }

  /** Newest last. */
  since(id: number): readonly RunEvent[] {
    return this.#events.filter((each) => each.id > id);
  }
}

/** A logger that records its events. */
export function recording(log: Logger, events: RunEvents): Logger {
  return {
    child: (fields: LogFields) => recording(log.child(fields), events),
    log: (level, event, message, fields) => {
      events.note(level, event, message);
      log.log(level, event, message, fields);
    },
  };
}
