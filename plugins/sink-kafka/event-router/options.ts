import { Choice, List, Part, type Static, Text, Type } from '../../../core/base/options.ts';

const column = (otherwise: string, description: string) => Text({ default: otherwise, description });

/** Named after the options of Debezium's EventRouter. */
export const eventRouterOptions = Part(
  {
    table_field_event_id: column('id', 'Column of the event’s id, which becomes the header `id`.'),
    table_field_event_key: column('aggregateid', 'Column of the record’s key.'),
    table_field_event_payload: column('payload', 'Column of the record’s value.'),
    table_field_event_timestamp: Type.Optional(
      Text({
        description:
          'Column of the record’s time: timestamp, timestamptz, or milliseconds since 1970; default, and for NULL: when it is written.',
      }),
    ),
    table_field_event_schema_version: Type.Optional(
      Text({ description: 'Column of the schema’s version. Values have no schema here, so it changes nothing.' }),
    ),
    table_fields_additional_placement: Type.Optional(
      Type.Union([Text({}), List(Text({}), { minItems: 1 })], {
        description:
          'More columns: `column:header:name`, `column:envelope:name` (the value is then an object with `payload`) or `column:partition`; a list, or separated by commas.',
      }),
    ),
    table_fields_additional_error_on_missing: Type.Boolean({
      default: true,
      description: 'A column of that list which the table has not is an error; else it is left out.',
    }),
    table_expand_json_payload: Type.Boolean({
      default: false,
      description: 'Read the payload as JSON, and write it as such: compact, and within the envelope not as a string.',
    }),
    table_json_payload_null_behavior: Choice(['ignore', 'optional_bytes'], {
      default: 'ignore',
      description: 'Members that are null in an expanded payload: left out, or kept.',
    }),
    table_op_invalid_behavior: Choice(['fatal', 'error', 'warn'], {
      default: 'fatal',
      description: 'An UPDATE of the table: the run ends, or it is left out with a log line.',
    }),
    route_by_field: column('aggregatetype', 'Column that the topic is made of.'),
    route_topic_regex: Text({
      default: '(?<routedByValue>.*)',
      description: 'Matched against the whole of that column’s value; a value that does not match is the topic itself.',
    }),
    route_topic_replacement: Text({
      default: 'outbox.event.${routedByValue}',
      description: 'The topic; $1 or ${name} (in YAML $${name}) stand for groups of the expression.',
    }),
    route_tombstone_on_empty_payload: Type.Boolean({
      default: false,
      description: 'An empty payload makes a record without a value.',
    }),
    message_prefix_include_list: List(Text({}), {
      default: [],
      description:
        'Regular expressions of prefixes: logical messages (pg_logical_emit_message) with one of them are rows of an outbox, as JSON objects.',
    }),
  },
  { description: 'format: outbox: how rows become events, as Debezium’s EventRouter has it.' },
);
export type EventRouterOptions = Static<typeof eventRouterOptions>;
