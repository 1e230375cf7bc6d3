import type { Relation } from '../../../core/postgres/relation.ts';
import { kafkaError } from '../errors.ts';
import type { Headers } from '../records/events.ts';
import { jsonString } from '../records/json.ts';
import { rewriteOf } from '../routing/rewrite.ts';
import { expandJson } from './expand-json.ts';
import { type Field, type Fields, missingFields } from './fields.ts';
import type { EventRouterOptions } from './options.ts';

/** The record that a row of an outbox becomes. */
export interface RoutedEvent {
  /** Not checked yet. */
  readonly topic: string;
  readonly partition: number | null;
  readonly key: string | null;
  readonly value: string | Buffer | null;
  readonly headers: Headers;
  /** Milliseconds since 1970; null: when it is written. */
  readonly timestamp: number | null;
}

interface Placement {
  readonly field: string;
  readonly at: 'header' | 'envelope' | 'partition';
  readonly name: string;
}

/** Makes events of rows, as Debezium's EventRouter does. */
export class EventRouter {
  readonly #options: EventRouterOptions;
  readonly #placements: readonly Placement[];
  readonly #topic: (value: string) => string;

  /** PGS5063 where an option cannot be. */
  constructor(options: EventRouterOptions) {
    this.#options = options;
    this.#placements = placementsOf(options.table_fields_additional_placement);
    const rewrite = rewriteOf(options.route_topic_regex, options.route_topic_replacement, 'outbox.route_topic_regex');
    this.#topic = (value) => rewrite(value) ?? value;
  }

  /** PGS5063 where the table lacks a column. */
  check(relation: Relation): void {
    const { table_field_event_id: id, table_field_event_key: key, table_field_event_payload: payload } = this.#options;
    const more = this.#options.table_fields_additional_error_on_missing ? this.#placements : [];
    const { table_field_event_timestamp: time, table_field_event_schema_version: version } = this.#options;
    const optional = [time, version].filter((name) => name !== undefined);
    const wantedFields = [id, key, payload, this.#options.route_by_field, ...optional];
    missingFields(relation, [...wantedFields, ...more.map(({ field }) => field)]);
  }

  /** For `plan`. */
  get words(): string {
    return `${this.#options.route_topic_replacement} by ${this.#options.route_by_field}`;
  }

  /** What the topics of all events begin with; empty: nothing that is known before. */
  get prefix(): string {
    const { route_topic_regex: regex, route_topic_replacement: replacement } = this.#options;
    return /^\((?:\?<\w+>)?\.\*\)$/.test(regex) ? (/^[^$\\]*/.exec(replacement)?.[0] ?? '') : '';
  }

  /** Throws PGS5065 where a field is missing, and PGS5061 where the row has no topic. */
  event(fields: Fields): RoutedEvent {
    const options = this.#options;
    const by = wanted(fields, options.route_by_field).text;
    if (by === null || by === '') {
      throw kafkaError(
        'PGS5061',
        `${options.route_by_field} is ${by === null ? 'NULL' : 'empty'}: the event has no topic`,
      );
    }
    const headers: Record<string, string> = {};
    const id = wanted(fields, options.table_field_event_id).text;
    if (id !== null) headers['id'] = id;
    let partition: number | null = null;
    let envelope: string | null = null;
    for (const { field, at, name } of this.#placements) {
      const value = this.#additional(fields, field);
      if (value === undefined) continue;
      if (at === 'envelope') envelope = `${envelope ?? ''},${jsonString(name)}:${value.json}`;
      else if (at === 'partition') partition = partitionOf(value.text, field);
      else if (value.text !== null) headers[name] = value.text;
    }
    const value = this.#value(fields, envelope);
    const key = wanted(fields, options.table_field_event_key).text;
    const { table_field_event_timestamp: time } = options;
    const timestamp = time === undefined ? null : timeOf(wanted(fields, time), time);
    return { topic: this.#topic(by), partition, key, value, headers, timestamp };
  }

  #additional(fields: Fields, name: string): ReturnType<Fields> {
    return this.#options.table_fields_additional_error_on_missing ? wanted(fields, name) : fields(name);
  }

  /** `envelope`: the members behind `payload`; null: the payload is the value. */
  #value(fields: Fields, envelope: string | null): string | Buffer | null {
    const options = this.#options;
    const payload = wanted(fields, options.table_field_event_payload);
    const { raw } = payload;
    const empty = raw === null || (typeof raw === 'string' ? raw.trim() === '' : raw.length === 0);
    if (empty && options.route_tombstone_on_empty_payload) return null;
    const expanded =
      options.table_expand_json_payload && typeof raw === 'string'
        ? expandJson(raw, options.table_json_payload_null_behavior === 'optional_bytes')
        : null;
    if (envelope !== null) return `{"payload":${expanded ?? payload.json}${envelope}}`;
    return expanded ?? raw;
  }
}

function wanted(fields: Fields, name: string) {
  const field = fields(name);
  if (field === undefined) throw kafkaError('PGS5065', `the event has no field ${name}`);
  return field;
}

function partitionOf(text: string | null, field: string): number {
  const partition = Number(text ?? Number.NaN);
  if (Number.isInteger(partition) && partition >= 0) return partition;
  throw kafkaError('PGS5065', `${field} is no number of a partition`);
}

/** Milliseconds: of what the server prints for timestamp, of ISO 8601 with a zone, or as they are. */
function timeOf({ text, raw }: Field, field: string): number | null {
  if (text === null || raw === null) return null;
  const plain = /^(\d{4,}-\d\d-\d\d) (\d\d:\d\d:\d\d(?:\.\d{1,3})?)\d*$/.exec(raw.toString());
  const [iso] = /^\d{4}-\d\d-\d\dT.*(Z|[+-]\d\d:\d\d)$/.exec(text) ?? [];
  const at =
    plain === null ? (iso === undefined ? Number(text) : Date.parse(iso)) : Date.parse(`${plain[1]}T${plain[2]}Z`);
  if (Number.isSafeInteger(at) && at >= 0) return at;
  throw kafkaError('PGS5065', `${field} is no time that a record can have`);
}

function placementsOf(given: EventRouterOptions['table_fields_additional_placement']): readonly Placement[] {
  const parts = given === undefined ? [] : [given].flat().flatMap((text) => text.split(','));
  return parts.map((part) => {
    const [, field = '', at = '', name] = /^\s*([^:]+):(header|envelope|partition)(?::([^:]+?))?\s*$/.exec(part) ?? [];
    if (field === '') {
      throw kafkaError('PGS5063', `outbox.table_fields_additional_placement: ${part} is not column:placement:name`, {
        remedy: 'Write column:header:name, column:envelope:name or column:partition.',
      });
    }
    return { field, at: at as Placement['at'], name: name ?? field };
  });
}
