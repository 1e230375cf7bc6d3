import type { RowExpression, RowExpressions } from '../../../core/api/expressions.ts';
import { compilePattern } from '../../../core/api/pattern.ts';
import { PgsluiceError } from '../../../core/base/error.ts';
import { type Relation, relationName } from '../../../core/postgres/relation.ts';
import { type PartialTuple, type Tuple, UNCHANGED } from '../../../core/postgres/tuple.ts';
import { kafkaError } from '../errors.ts';
import type { KafkaOptions } from '../options.ts';
import type { Headers } from '../records/events.ts';
import { rowTopic } from './row-topic.ts';
import { escapePointer, type TopicRule } from './topics.ts';

/** What of a record's place depends on its row. */
export interface ByRow {
  /** Null: all rows of the table go to one topic. Throws PGS5061 and PGS5062. */
  readonly topic: ((row: PartialTuple) => string) | null;
  /** JSON of the columns that the partition is chosen by; null: the key. */
  readonly partitionBy: ((row: Tuple) => string) | null;
  /** `known`: positions of the row that mean something; null: all. */
  readonly headers: ((row: PartialTuple, known: ReadonlySet<number> | null) => Headers | null) | null;
  /** For `plan`. */
  readonly words: readonly string[];
}

export interface RoutingParts {
  readonly options: Pick<KafkaOptions, 'partition_by' | 'headers'>;
  readonly expressions: RowExpressions | null;
  /** Topics that no row may be sent to: the pipeline's own. */
  readonly reserved: ReadonlySet<string>;
  /** The JSON of some columns, as a key of them would be. */
  readonly jsonOf: (relation: Relation, columns: readonly string[]) => (row: Tuple) => string | null;
}

/** Null: nothing depends on the row. Throws PGS5060, PGS5063 and what the parser says. */
export function byRow(relation: Relation, rule: TopicRule, parts: RoutingParts): ByRow | null {
  const words: string[] = [];
  const topic = rule.kind === 'name' ? null : topicByRow(relation, rule, parts);
  if (rule.kind === 'expr') words.push(`topic: by row: ${rule.sql}`);
  const columns = partitionColumns(relation, parts.options.partition_by);
  const partitionBy = columns === null ? null : partitionByRow(relation, columns, parts);
  if (columns !== null) words.push(`partition: by ${columns.join(', ')}`);
  const headers = headersByRow(relation, parts);
  if (topic === null && partitionBy === null && headers === null) return null;
  return { topic, partitionBy, headers, words };
}

function topicByRow(relation: Relation, rule: TopicRule & { kind: 'expr' }, parts: RoutingParts): ByRow['topic'] {
  const { reads, value } = parsed(rule.sql, relation, { option: rule.option, parts });
  inOldRow(relation, reads, 'topic');
  const what = `topic: ${rule.sql}`;
  return (row) =>
    rowTopic(
      evaluated(() => value(row), what),
      what,
      parts.reserved,
    );
}

/** The expression with what it is called in messages. */
export function parsed(
  sql: string,
  relation: Relation,
  { option, parts }: { readonly option: string; readonly parts: Pick<RoutingParts, 'expressions'> },
): RowExpression {
  if (parts.expressions === null) throw new Error('a sink with expressions was made without a parser');
  return parts.expressions.parse(sql, relation, option);
}

/** An error of the expression is one of the row. */
export function evaluated<T>(value: () => T, what: string): T {
  try {
    return value();
  } catch (cause) {
    if (!(cause instanceof PgsluiceError) || cause.code.startsWith('PGS50')) throw cause;
    throw kafkaError('PGS5062', `${what}: ${cause.code} ${cause.message}`, { cause });
  }
}

function partitionColumns(relation: Relation, option: KafkaOptions['partition_by']): readonly string[] | null {
  if (option === undefined) return null;
  if (Array.isArray(option)) return option;
  for (const [pattern, columns] of Object.entries(option as { readonly [pattern: string]: readonly string[] })) {
    if (compilePattern(pattern)(relation)) return columns;
  }
  return null;
}

function partitionByRow(relation: Relation, columns: readonly string[], parts: RoutingParts): ByRow['partitionBy'] {
  const positions = columns.map((name) => positionOf(relation, name, 'partition_by'));
  inOldRow(relation, positions, 'partition_by');
  const json = parts.jsonOf(relation, columns);
  return (row) => json(row) ?? '';
}

function positionOf(relation: Relation, name: string, option: string): number {
  const position = relation.columns.findIndex((column) => column.name === name);
  if (position !== -1) return position;
  throw kafkaError('PGS5063', `${option}: there is no column ${name}`, { where: { table: relationName(relation) } });
}

/**
 * What says where a row goes must be known of its old row, too: the old place has to hear of a delete, and of an update that
 * moves the row. Null: all of it is.
 */
export function inOldRow(relation: Relation, reads: readonly number[], option: string): void {
  const { identity } = relation;
  if (identity.kind !== 'key') return;
  const outside = reads.find((position) => !identity.positions.includes(position));
  if (outside === undefined) return;
  const name = relation.columns[outside]?.name ?? '?';
  throw kafkaError('PGS5060', `${option} reads ${name}, which is not part of the replica identity`, {
    where: { table: relationName(relation) },
  });
}

interface Header {
  readonly name: string;
  readonly reads: readonly number[];
  readonly value: (row: PartialTuple) => string | null;
}

function headersByRow(relation: Relation, parts: RoutingParts): ByRow['headers'] {
  const made: Header[] = [];
  for (const [name, given] of Object.entries(parts.options.headers)) {
    if (typeof given === 'string') continue;
    if (given.tables !== undefined && ![given.tables].flat().some((pattern) => compilePattern(pattern)(relation))) {
      continue;
    }
    made.push({ name, ...headerOf(relation, name, { given, parts }) });
  }
  if (made.length === 0) return null;
  return (row, known) => {
    const headers: Record<string, string> = {};
    for (const { name, reads, value } of made) {
      // Of an old row whose values were not sent, there is nothing to tell.
      if (known !== null && !reads.every((position) => known.has(position))) continue;
      if (reads.some((position) => row[position] === UNCHANGED)) {
        throw kafkaError('PGS5062', `header ${name} reads a value that the UPDATE did not send`, {
          remedy:
            'Set REPLICA IDENTITY FULL on the table, or make a column of it with the transform `set`, which fetches it.',
        });
      }
      const text = evaluated(() => value(row), `header ${name}`);
      if (text !== null) headers[name] = text;
    }
    return Object.keys(headers).length === 0 ? null : headers;
  };
}

type GivenHeader = Exclude<KafkaOptions['headers'][string], string>;

function headerOf(
  relation: Relation,
  name: string,
  { given, parts }: { readonly given: GivenHeader; readonly parts: RoutingParts },
): Omit<Header, 'name'> {
  if ('expr' in given) return parsed(given.expr, relation, { option: `/headers/${escapePointer(name)}/expr`, parts });
  const position = positionOf(relation, given.column, `headers.${name}`);
  return { reads: [position], value: (row) => row[position] as string | null };
}
