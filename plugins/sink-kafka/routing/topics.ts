import { compilePattern } from '../../../core/api/pattern.ts';
import { kafkaError } from '../errors.ts';
import type { KafkaOptions } from '../options.ts';
import { type Rewrite, rewriteOf } from './rewrite.ts';

type Named = { readonly schema: string; readonly name: string };

/** Which topic the rows of a table go to. */
export type TopicRule =
  | {
      readonly kind: 'name';
      readonly name: string;
      /** Added to the key, as several tables share the topic; null: the key stays. */
      readonly keyMember: { readonly name: string; readonly value: string } | null;
      /** Of `logical_tables`. */
      readonly logical: boolean;
    }
  /** `option`: JSON pointer of the expression. */
  | { readonly kind: 'expr'; readonly sql: string; readonly option: string };

/** By the table as it is after the transforms. */
export type TopicRules = (table: Named) => TopicRule;

export function topicRules(options: Pick<KafkaOptions, 'topic' | 'logical_tables'>, prefix: string): TopicRules {
  const logical = logicalTables(options.logical_tables);
  const choose = chooser(options.topic);
  return (table) => {
    const { value, option } = choose(table);
    if (typeof value !== 'string') return { kind: 'expr', sql: value.expr, option };
    const physical = topicName(
      value
        .replaceAll('{pipeline}', prefix)
        .replaceAll('{schema}', () => table.schema)
        .replaceAll('{table}', () => table.name),
    );
    return logical(physical) ?? { kind: 'name', name: physical, keyMember: null, logical: false };
  };
}

type Written = string | { readonly expr: string };
interface Chosen {
  readonly value: Written;
  readonly option: string;
}

export const defaultTopic = '{pipeline}.{schema}.{table}';

/** The file gives one rule for all tables, or some by table pattern, of which the first counts. */
function chooser(topic: KafkaOptions['topic']): (table: Named) => Chosen {
  if (typeof topic === 'string') return () => ({ value: topic, option: '/topic' });
  if (isExpression(topic)) return () => ({ value: topic, option: '/topic/expr' });
  const rules = Object.entries(topic as { readonly [pattern: string]: Written }).map(([pattern, value]) => ({
    matches: compilePattern(pattern),
    chosen: { value, option: `/topic/${escapePointer(pattern)}/expr` },
  }));
  return (table) => rules.find(({ matches }) => matches(table))?.chosen ?? { value: defaultTopic, option: '/topic' };
}

export function escapePointer(part: string): string {
  return part.replaceAll('~', '~0').replaceAll('/', '~1');
}

/** The parser is loaded only where the file asks for it. */
export function needsExpressions({ topic, key, headers }: Pick<KafkaOptions, 'topic' | 'key' | 'headers'>): boolean {
  const given = [topic, ...Object.values(topic), ...Object.values(key), ...Object.values(headers)];
  return given.some(isExpression);
}

export function isExpression(value: unknown): value is { readonly expr: string } {
  return typeof value === 'object' && value !== null && typeof (value as { expr?: unknown }).expr === 'string';
}

/** The first rule that matches a topic's whole name counts. */
function logicalTables(rules: KafkaOptions['logical_tables']): (physical: string) => TopicRule | null {
  const made = rules.map((rule, i) => {
    const { key_field_regex: keyRegex, key_field_replacement: keyReplacement } = rule;
    if ((keyRegex === undefined) !== (keyReplacement === undefined)) {
      throw kafkaError(
        'PGS5063',
        `logical_tables[${i}]: key_field_regex and key_field_replacement are wanted together`,
      );
    }
    const topic = rewriteOf(rule.topic_regex, rule.topic_replacement, `logical_tables[${i}].topic_regex`);
    const key: Rewrite =
      keyRegex === undefined || keyReplacement === undefined
        ? (name) => name
        : rewriteOf(keyRegex, keyReplacement, `logical_tables[${i}].key_field_regex`);
    return { topic, key, unique: rule.key_enforce_uniqueness, field: rule.key_field_name };
  });
  return (physical) => {
    for (const { topic, key, unique, field } of made) {
      const name = topic(physical);
      // Debezium keeps the old name where the new one would be empty.
      if (name === null || name === '') continue;
      const value = key(physical);
      const member = { name: field, value: value === null || value === '' ? physical : value };
      return { kind: 'name', name: topicName(name), keyMember: unique ? member : null, logical: true };
    }
    return null;
  };
}

/** Kafka takes letters, digits, `.`, `_` and `-`, 249 characters at most; others become `_`, as in Debezium. */
export function topicName(name: string): string {
  const clean = name.replace(/[^A-Za-z0-9._-]/g, '_');
  if (clean.length > 249 || clean === '' || clean === '.' || clean === '..') {
    throw kafkaError('PGS5006', `${clean.slice(0, 60)}… cannot be the name of a topic (249 characters at most)`);
  }
  return clean;
}
