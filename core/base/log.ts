import pino from 'pino';
import type { LogFields, Logger, LogLevel } from './logger.ts';
import { redact } from './redact.ts';

export interface LogOptions {
  readonly format: 'json' | 'pretty';
  readonly level: LogLevel;
  readonly color: boolean;
  /** The stream that lines are written to. */
  readonly to: NodeJS.WritableStream;
  readonly fields?: LogFields;
}

/** One line per event: `{"time":…,"level":…,"event":…,…,"message":…}`, or the same for people. */
export async function createLogger(options: LogOptions): Promise<Logger> {
  const target = options.format === 'json' ? options.to : await prettyStream(options);
  const base = pino(
    {
      base: null,
      level: options.level,
      messageKey: 'message',
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
    },
    target as pino.DestinationStream,
  );
  return new PinoLogger(options.fields === undefined ? base : base.child(plain(options.fields)));
}

class PinoLogger implements Logger {
  readonly #pino: pino.Logger;

  constructor(logger: pino.Logger) {
    this.#pino = logger;
  }

  child(fields: LogFields): Logger {
    return new PinoLogger(this.#pino.child(plain(fields)));
  }

  log(level: LogLevel, event: string, message: string, fields: LogFields = {}): void {
    if (!this.#pino.isLevelEnabled(level)) return;
    this.#pino[level]({ event, ...plain(fields) }, redact(message));
  }
}

/** 64-bit numbers keep their digits, as text; undefined fields are left out. */
function plain(fields: LogFields): Record<string, string | number | boolean | null> {
  const result: Record<string, string | number | boolean | null> = {};
  for (const [name, value] of Object.entries(fields)) {
    if (value === undefined) continue;
    if (typeof value === 'bigint') result[name] = value.toString();
    else result[name] = typeof value === 'string' ? redact(value) : value;
  }
  return result;
}

/**
 * Loaded only for the pretty format. Formats in this process: a worker thread would lose the last lines before a crash.
 */
async function prettyStream(options: LogOptions): Promise<NodeJS.WritableStream> {
  const { default: pretty } = await import('pino-pretty');
  return pretty({
    colorize: options.color,
    destination: options.to,
    sync: true,
    messageKey: 'message',
    translateTime: 'SYS:HH:MM:ss.l',
    ignore: 'event',
    singleLine: true,
  });
}

/** A logger that says nothing. */
export const silentLogger: Logger = { child: () => silentLogger, log: () => {} };
