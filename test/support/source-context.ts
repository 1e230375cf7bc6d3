import { randomUUID } from 'node:crypto';
import type { Json } from '../../core/api/checkpoint.ts';
import type { Ownership } from '../../core/api/ownership.ts';
import type { PluginContext } from '../../core/api/context.ts';
import type { LogFields, LogLevel, Logger } from '../../core/base/logger.ts';
import { type Asked, withDefaults } from '../../core/base/options.ts';
import { type PostgresSourceOptions, postgresSourceOptions } from '../../plugins/source-postgres/options.ts';
import { PostgresSource } from '../../plugins/source-postgres/source.ts';

/** A line of the log, kept for the test to look at. */
export interface LogLine {
  readonly level: LogLevel;
  readonly event: string;
  readonly message: string;
  readonly fields: LogFields;
}

export function keepingLog(lines: LogLine[] = []): Logger & { readonly lines: LogLine[] } {
  return {
    lines,
    child: () => keepingLog(lines),
    log: (level, event, message, fields = {}) => void lines.push({ level, event, message, fields }),
  };
}

export function sourceContext(pipeline: string, log: Logger = keepingLog()): PluginContext {
  const metrics = { count: () => {}, gauge: () => {} };
  return { pipeline, name: 'source', directory: process.cwd(), log, metrics, debugValues: false };
}

/** The PostgreSQL source as a pipeline would make it, with the notes of a state of its own. */
export function postgresSource(
  options: Asked<PostgresSourceOptions, 'url'>,
  pipeline: string,
  log?: Logger,
): PostgresSource {
  const source = new PostgresSource(withDefaults(postgresSourceOptions, options), sourceContext(pipeline, log));
  source.control.claim(ownershipInMemory());
  return source;
}

/** What a pipeline's state would note of the objects that it made. */
export function ownershipInMemory(more: Partial<Ownership> = {}): Ownership {
  const notes = new Map<string, Json>();
  return {
    id: randomUUID(),
    store: null,
    named: null,
    noted: (object) => notes.get(object) ?? null,
    note: async (object, value) => void notes.set(object, value),
    reached: async () => null,
    ...more,
  };
}

/** A signal that nobody aborts. */
export const calm: AbortSignal = new AbortController().signal;
