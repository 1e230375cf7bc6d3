import type { MessageChange } from '../../api/change.ts';
import type { Signal } from '../../api/signal.ts';
import { formatLsn, parseLsn } from '../../postgres/lsn.ts';

/** Prefix of the pipeline's own logical messages (design: control through the stream). */
export const controlPrefix = 'pgsluice';

/**
 * A request of another process to a run, in the order of the source's WAL. `barrier`: report when everything up to here
 * is durable; with `after: stop` the run then ends, cleanly, unless it reads the message after `until` (milliseconds
 * since 1970), when no process waits for it any longer. With `after: reload` it begins again in the same process, from
 * the file as it is then, and copies the tables `copy` (names on the source) again; after `until` nothing happens.
 * `hold`: apply nothing that commits later until a position is given; `hold-at`: apply what commits below this
 * position, report, and wait; `release`: go on. A verification holds the sinks at the position of its snapshot for the
 * moment that opening the target's snapshot takes.
 */
export type ControlMessage =
  | { readonly kind: 'barrier'; readonly id: string; readonly after: 'go-on' | 'stop'; readonly until?: number }
  | {
      readonly kind: 'barrier';
      readonly id: string;
      readonly after: 'reload';
      readonly copy: readonly string[];
      readonly until: number;
    }
  /** Read rows of a table again from here on. `where`: SQL over the table's columns. */
  | { readonly kind: 'reread'; readonly id: string; readonly table: string; readonly where: string | null }
  /** A signal from outside, at its place in the stream. */
  | ({ readonly kind: 'signal' } & Signal)
  | { readonly kind: 'hold'; readonly id: string }
  | { readonly kind: 'hold-at'; readonly id: string; readonly at: bigint }
  | { readonly kind: 'release'; readonly id: string };

export function encodeControl(pipeline: string, message: ControlMessage): string {
  return JSON.stringify({ pipeline, ...message, ...(message.kind === 'hold-at' ? { at: formatLsn(message.at) } : {}) });
}

/** Null for any other message: other prefixes, other pipelines on the same database, later versions. */
export function decodeControl(change: MessageChange, pipeline: string): ControlMessage | null {
  if (change.prefix !== controlPrefix) return null;
  try {
    const value = JSON.parse(Buffer.from(change.content).toString('utf8')) as Record<string, unknown>;
    const { kind, id } = value;
    if (value['pipeline'] !== pipeline || typeof id !== 'string') return null;
    if (kind === 'barrier') {
      const late = typeof value['until'] === 'number' && value['until'] < Date.now();
      if (value['after'] !== 'reload')
        return { kind, id, after: value['after'] === 'stop' && !late ? 'stop' : 'go-on' };
      const copy = Array.isArray(value['copy']) ? value['copy'].map(String) : [];
      return late ? null : { kind, id, after: 'reload', copy, until: Number(value['until']) };
    }
    if (kind === 'reread' && typeof value['table'] === 'string') {
      return { kind, id, table: value['table'], where: typeof value['where'] === 'string' ? value['where'] : null };
    }
    if (kind === 'signal' && typeof value['type'] === 'string') {
      return { kind, id, type: value['type'], data: typeof value['data'] === 'string' ? value['data'] : null };
    }
    if (kind === 'hold' || kind === 'release') return { kind, id };
    if (kind === 'hold-at') return { kind, id, at: parseLsn(String(value['at'])) };
    return null;
  } catch {
    return null;
  }
}
