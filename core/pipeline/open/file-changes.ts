import { createHash } from 'node:crypto';
import type { Json } from '../../api/checkpoint.ts';
import type { Logger } from '../../base/logger.ts';
import type { PipelineConfig, TransformUse } from '../../config/pipeline-config.ts';
import type { PipelineState } from '../state/pipeline-state.ts';

/** What a pipeline file says, by key, as text that may be shown and kept: what may hold a secret is a hash of it. */
export type FileFacts = Readonly<Record<string, string>>;

export interface FileChange {
  readonly key: string;
  readonly from: string | null;
  readonly to: string | null;
  /** `now`: taken up by a run that goes on; `tables`: decided by what the source has; `refused`: cannot be done safely. */
  readonly effect: 'now' | 'tables' | 'refused';
  /** What would have to be done for it; null: nothing. */
  readonly remedy: string | null;
}

/** Under which the state keeps the facts of the file that the last run had. */
const factsKey = 'file-facts';
/** Options that hold passwords, or lead to them. Where the source is, its identity tells; nothing of them is kept. */
const unkept = /url|passw|secret|token|key|sasl|ssl|brokers|auth/i;
/** Of all others, those that are shown as they are. */
const plain = /\.(tables|slot|publication|snapshot|heartbeat|schema|topic|format|delivery|on_\w+|\w+_workers)(\.|$)/;

export function fileFacts(config: PipelineConfig): FileFacts {
  const facts: Record<string, string> = {
    pipeline: config.pipeline,
    ddl: config.ddl,
    http: config.http ?? 'off',
    'limit.rate': config.limit.rate === null ? 'none' : `${config.limit.rate} bytes/s`,
  };
  addOptions(facts, 'source', config.source.options);
  addTransforms(facts, 'transforms', config.transforms);
  for (const sink of config.sinks) {
    const at = `sinks.${sink.name}`;
    facts[at] = sink.plugin.name;
    if (sink.tables !== null) facts[`${at}.tables`] = sink.tables.join(', ');
    addOptions(facts, at, sink.options);
    addTransforms(facts, `${at}.transforms`, sink.transforms);
  }
  return facts;
}

function addOptions(facts: Record<string, string>, at: string, options: Readonly<Record<string, unknown>>): void {
  for (const [name, value] of Object.entries(options)) {
    if (value === undefined || unkept.test(name)) continue;
    if (typeof value === 'object' && value !== null && !Array.isArray(value))
      addOptions(facts, `${at}.${name}`, value as Readonly<Record<string, unknown>>);
    else facts[`${at}.${name}`] = factOf(`${at}.${name}`, Array.isArray(value) ? value.map(String).join(', ') : value);
  }
}

function factOf(key: string, value: unknown): string {
  const text = String(value);
  return typeof value !== 'string' || plain.test(key) ? text : `(${hashOf(text)})`;
}

function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 8);
}

/** Expressions and secrets of a transform are told apart by a hash. */
function addTransforms(facts: Record<string, string>, at: string, uses: readonly TransformUse[]): void {
  for (const [i, use] of uses.entries()) {
    const { refetch, ...options } = use.options as { readonly refetch?: unknown };
    const hash = hashOf(JSON.stringify([use.tables, options]));
    // How a value comes is not what it is.
    if (refetch !== undefined) facts[`${at}[${i}].refetch`] = String(refetch);
    facts[`${at}[${i}]`] = `${use.plugin.name}${use.tables === null ? '' : ` of ${use.tables.join(', ')}`} (${hash})`;
  }
}

/** Pure: what is said otherwise, in order of the keys. */
export function fileChanges(before: FileFacts, now: FileFacts): readonly FileChange[] {
  const keys = [...new Set([...Object.keys(before), ...Object.keys(now)])].sort();
  return keys.flatMap((key) => {
    const [from, to] = [before[key] ?? null, now[key] ?? null];
    return from === to ? [] : [{ key, from: shown(from), to: shown(to), ...effectOf(key) }];
  });
}

function effectOf(key: string): Pick<FileChange, 'effect' | 'remedy'> {
  if (key === 'pipeline') return { effect: 'refused', remedy: 'Another name is another pipeline: start it by itself.' };
  if (/^source\.(slot|publication)\./.test(key))
    return { effect: 'refused', remedy: 'The slot was made under the old name: restore it, or start over (cleanup).' };
  if (/^(sinks\.[^.]+\.)?transforms\[\d+\]$/.test(key) || /^sinks\.[^.]+(\.tables)?$/.test(key))
    return {
      effect: 'refused',
      remedy: 'What is copied was made by the old ones: restore them, or start over (cleanup).',
    };
  if (/^sinks\.[^.]+\.schema$/.test(key))
    return { effect: 'refused', remedy: 'The schema is made already: restore it.' };
  if (key.startsWith('source.tables.')) return { effect: 'tables', remedy: null };
  return { effect: 'now', remedy: null };
}

function shown(text: string | null): string | null {
  return text === null || text.length <= 200 ? text : `${text.slice(0, 200)}…`;
}

export function describeChange({ key, from, to, effect, remedy }: FileChange): string {
  const what = `${key}: ${from ?? 'not given'} → ${to ?? 'not given'}`;
  return effect === 'refused' ? `${what}; refused: ${remedy}` : what;
}

/** A line of the log for each. */
export function tellChanges(log: Logger, changes: readonly FileChange[]): void {
  for (const change of changes) {
    const { key, effect } = change;
    log.log(effect === 'refused' ? 'warn' : 'info', 'file-changed', describeChange(change), { key, effect });
  }
}

/** Of the file that the last run had; null where it was run by an earlier version, or never. */
export function readFacts(state: PipelineState): FileFacts | null {
  const value = state.get(factsKey);
  if (state.head === null || value === null || typeof value !== 'object' || Array.isArray(value)) return null;
  return value as Readonly<Record<string, string>>;
}

export function writeFacts(state: PipelineState, facts: FileFacts): Promise<void> {
  return state.put(factsKey, facts as { readonly [key: string]: Json });
}
