import { createHash } from 'node:crypto';
import type { Logger } from '../../base/logger.ts';
import type { AnyPlugin } from '../../api/plugin.ts';
import type { JsonSchema } from '../../base/json-schema.ts';
import { holdsSecret, type OptionChange } from '../../base/options.ts';
import type { PipelineConfig, PluginUse, TransformUse } from '../../config/pipeline-config.ts';
import { remadeChange, rootSchema } from '../../config/root-schema.ts';
import { useSchema } from '../../config/use-schema.ts';
import { canonical } from './fingerprint.ts';
import type { PipelineState } from '../state/pipeline-state.ts';

/**
 * The contents of a pipeline file, by key, as text that may be shown and kept: a value that may hold a secret is
 * replaced by a hash.
 */
export type FileFacts = Readonly<Record<string, string>>;

export interface FileChange {
  readonly key: string;
  readonly from: string | null;
  readonly to: string | null;
  /** `now`: taken up by a run that goes on; `tables`: the source's tables decide; `refused`: cannot be done safely. */
  readonly effect: 'now' | 'tables' | 'refused';
  /** What the user would have to do; null: nothing. */
  readonly remedy: string | null;
}

export function fileFacts(config: PipelineConfig): FileFacts {
  const facts: Record<string, string> = {
    pipeline: config.pipeline,
    ddl: config.ddl,
    http: config.http ?? 'off',
    'limit.rate': config.limit.rate === null ? 'none' : `${config.limit.rate} bytes/s`,
  };
  addOptions(facts, 'source', config.source.options, whereOf(config, config.source));
  addTransforms(facts, 'transforms', config.transforms);
  for (const sink of config.sinks) {
    const at = `sinks.${sink.name}`;
    facts[at] = sink.plugin.name;
    if (sink.tables !== null) facts[`${at}.tables`] = sink.tables.toSorted().join(', ');
    addOptions(facts, at, sink.options, whereOf(config, sink));
    addTransforms(facts, `${at}.transforms`, sink.transforms);
  }
  return facts;
}

function whereOf(config: PipelineConfig, use: PluginUse<AnyPlugin>): Where {
  return { schema: useSchema(use.plugin).options, scrub: config.scrub };
}

/** The values of the options, except secrets (I11). Values from `${…}` are compared by a hash. */
function addOptions(facts: Record<string, string>, at: string, values: object, where: Where): void {
  for (const [name, value] of Object.entries(values)) {
    const option = where.schema === undefined ? undefined : optionOf(where.schema, name);
    const inside = typeof value === 'object' && value !== null && !Array.isArray(value);
    if (value === undefined || (inside ? option?.['secret'] === true : holdsSecret(option))) continue;
    if (inside) addOptions(facts, `${at}.${name}`, value, { ...where, schema: option });
    else facts[`${at}.${name}`] = factOf(Array.isArray(value) ? value.map(String).join(', ') : String(value), where);
  }
}

interface Where {
  readonly schema: JsonSchema | undefined;
  readonly scrub: (text: string) => string;
}

/** The schema of one key; if the value may have several forms, the first form that has the key. */
function optionOf(schema: JsonSchema, name: string): JsonSchema | undefined {
  const own = (schema['properties'] as { readonly [key: string]: JsonSchema } | undefined)?.[name];
  if (own !== undefined) return own;
  for (const form of (schema['anyOf'] ?? []) as readonly JsonSchema[]) {
    const found = optionOf(form, name);
    if (found !== undefined) return found;
  }
  return typeof schema['additionalProperties'] === 'object'
    ? (schema['additionalProperties'] as JsonSchema)
    : undefined;
}

function factOf(text: string, { scrub }: Where): string {
  return scrub(text) === text ? text : `(${hashOf(text)})`;
}

function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 8);
}

/** Expressions and secrets of a transform are compared by a hash. */
function addTransforms(facts: Record<string, string>, at: string, uses: readonly TransformUse[]): void {
  for (const [i, use] of uses.entries()) {
    const { refetch, ...options } = use.options as { readonly refetch?: unknown };
    const tables = use.tables?.toSorted();
    const hash = hashOf(canonical([tables ?? null, options]));
    // How a value is obtained does not change the value.
    if (refetch !== undefined) facts[`${at}[${i}].refetch`] = String(refetch);
    facts[`${at}[${i}]`] = `${use.plugin.name}${tables === undefined ? '' : ` of ${tables.join(', ')}`} (${hash})`;
  }
}

/** What a change of a key means for a pipeline that has started, as declared with the options. */
export type ChangeRules = (key: string) => OptionChange;

export function changeRules(config: PipelineConfig): ChangeRules {
  const rules = new Map<string, OptionChange>();
  addRules(rules, '', rootSchema);
  addRules(rules, 'source.', useSchema(config.source.plugin).options);
  for (const sink of config.sinks) {
    const { envelope, options } = useSchema(sink.plugin);
    addRules(rules, `sinks.${sink.name}.`, envelope);
    addRules(rules, `sinks.${sink.name}.`, options);
  }
  return (key) => rules.get(key) ?? (remade.test(key) ? remadeChange : { effect: 'now' });
}

/** A transform, or a whole sink: if it was removed from the file, no options declare what that means. */
const remade = /^sinks\.[^.]+$|^(?:sinks\.[^.]+\.)?transforms\[\d+\]$/;

function addRules(rules: Map<string, OptionChange>, at: string, schema: JsonSchema): void {
  for (const [name, option] of Object.entries((schema['properties'] ?? {}) as { readonly [key: string]: JsonSchema })) {
    const change = option['change'] as OptionChange | undefined;
    if (change !== undefined) rules.set(at + name, change);
    addRules(rules, `${at}${name}.`, option);
  }
}

/** Pure: the differences, in order of the keys. */
export function fileChanges(before: FileFacts, now: FileFacts, rules: ChangeRules): readonly FileChange[] {
  const keys = [...new Set([...Object.keys(before), ...Object.keys(now)])].sort();
  return keys.flatMap((key) => {
    const [from, to] = [before[key] ?? null, now[key] ?? null];
    if (from === to) return [];
    const rule = rules(key);
    return [
      { key, from: shown(from), to: shown(to), effect: rule.effect, remedy: 'remedy' in rule ? rule.remedy : null },
    ];
  });
}

function shown(text: string | null): string | null {
  return text === null || text.length <= 200 ? text : `${text.slice(0, 200)}…`;
}

export function describeChange({ key, from, to, effect, remedy }: FileChange): string {
  const what = `${key}: ${from ?? 'not given'} → ${to ?? 'not given'}`;
  return effect === 'refused' ? `${what}; refused: ${remedy}` : what;
}

/** One log line per difference. */
export function tellChanges(log: Logger, changes: readonly FileChange[]): void {
  for (const change of changes) {
    const { key, effect } = change;
    log.log(effect === 'refused' ? 'warn' : 'info', 'file-changed', describeChange(change), { key, effect });
  }
}

/**
 * How the file differs from that of the last run, which kept its facts; null: none were kept. Of facts of version 1
 * only changes that are not taken up by themselves are compared.
 */
export function changesSince(state: PipelineState, config: PipelineConfig): readonly FileChange[] | null {
  const kept = state.get('file-facts');
  if (state.head === null || kept === null) return null;
  const rules = changeRules(config);
  if (kept.version === 2) return fileChanges(kept.facts, fileFacts(config), rules);
  const decisive = (facts: FileFacts) =>
    Object.fromEntries(Object.entries(facts).filter(([key]) => rules(key).effect !== 'now'));
  return fileChanges(decisive(kept.facts), decisive(fileFacts(config)), rules);
}

/** Keeps the facts of the file for the next run. */
export async function noteFacts(state: PipelineState, config: PipelineConfig): Promise<void> {
  const noted = { version: 2, facts: fileFacts(config) } as const;
  if (JSON.stringify(state.get('file-facts')) !== JSON.stringify(noted)) await state.put('file-facts', noted);
}
