import type { RowChange } from '../../core/api/change.ts';
import { type ErrorWhere, errorFactory, PgsluiceError } from '../../core/base/error.ts';
import { formatLsn } from '../../core/postgres/lsn.ts';
import { relationName } from '../../core/postgres/relation.ts';

/** PGS50xx: the Kafka sink. */
export const kafkaErrors = {
  PGS5001: {
    title: 'Kafka brokers unreachable',
    cause: 'None of the brokers in the file answered.',
    remedy: 'Check the addresses in `brokers`, the listeners that the broker advertises, and firewalls.',
    exit: 1,
    retry: 'backoff',
  },
  PGS5002: {
    title: 'Kafka authentication failed',
    cause: 'The broker refused the SASL mechanism or the credentials.',
    remedy: 'Check `sasl.mechanism`, user and password (or token) of the sink.',
    exit: 1,
    retry: 'never',
  },
  PGS5003: {
    title: 'TLS to Kafka failed',
    cause:
      'The certificate of the broker does not verify, the broker wants a client certificate, or it does not speak TLS.',
    remedy: 'Check `ssl.ca`, `ssl.cert` and `ssl.key`, and that the port is a TLS listener.',
    exit: 1,
    retry: 'never',
  },
  PGS5004: {
    title: 'Not allowed by Kafka ACLs',
    cause: 'The principal lacks an ACL for the topic, the transactional id or the cluster.',
    remedy:
      'Grant WRITE and DESCRIBE on the topics (CREATE where pgsluice creates them, WRITE on the TransactionalId for exactly_once).',
    exit: 1,
    retry: 'never',
  },
  PGS5005: {
    title: 'Topic missing',
    cause: 'The topic does not exist and `create_topics` is false.',
    remedy: 'Create the topic, or set `create_topics: true`.',
    exit: 1,
    retry: 'never',
  },
  PGS5006: {
    title: 'Topic cannot be made',
    cause: 'The broker refused the name, the partitions, the replication factor or a setting of the topic.',
    remedy: 'Check `topic`, `partitions`, `replication_factor` and `topic_config`.',
    exit: 1,
    retry: 'never',
  },
  PGS5007: {
    title: 'Value has no form in this format',
    cause: 'Under `decimal: precise` NaN and Infinity cannot be written.',
    remedy: 'Set `decimal: string` (or `double`) for this sink.',
    exit: 1,
    retry: 'never',
  },
  PGS5008: {
    title: 'Record key cannot be built',
    cause: 'A key column is not part of what the server sends of the old row.',
    remedy: 'Choose key columns within the replica identity, or set REPLICA IDENTITY FULL on the table.',
    exit: 1,
    retry: 'never',
  },
  PGS5009: {
    title: 'Type not supported',
    cause: 'The column has a type without a mapping, and the file says `unknown_types: error`.',
    remedy: 'Drop the column with the columns transform, or set `unknown_types: text`.',
    exit: 1,
    retry: 'never',
  },
  PGS5010: {
    title: 'Record too large',
    cause: 'The record is larger than the topic takes (max.message.bytes).',
    remedy:
      'Raise max.message.bytes of the topic (`topic_config`), or let it go to the dead letters: `dead_letter` at the top of the file.',
    exit: 1,
    retry: 'never',
  },
  PGS5011: {
    title: 'Write to Kafka failed',
    cause: 'The connection broke, the leader moved, or the broker could not store the records.',
    remedy: 'Nothing is lost: the pipeline goes on from its last durable position.',
    exit: 1,
    retry: 'backoff',
  },
  PGS5012: {
    title: 'Acknowledgement incomplete',
    cause: 'The client reported success but the broker did not acknowledge every partition that was written.',
    remedy: 'Nothing is lost: the pipeline goes on from its last durable position.',
    exit: 1,
    retry: 'backoff',
  },
  PGS5013: {
    title: 'Fenced by another instance',
    cause: 'Another process uses the same transactional id.',
    remedy:
      'Run one instance per pipeline; where two pipelines are meant, give them names or `transactional_id`s of their own.',
    exit: 1,
    retry: 'never',
  },
  PGS5014: {
    title: 'Kafka transaction ended by the broker',
    cause: 'A transaction was open longer than `transaction_timeout`, or its coordinator lost it.',
    remedy: 'Raise `transaction_timeout` (and transaction.max.timeout.ms of the brokers) for long source transactions.',
    exit: 1,
    retry: 'backoff',
  },
  PGS5015: {
    title: 'Position topic unreadable',
    cause: 'A record of the position topic is not one of ours.',
    remedy: 'Give the pipeline a `position_topic` of its own.',
    exit: 1,
    retry: 'never',
  },
  PGS5017: {
    title: 'Compression not available',
    cause: 'This version of Node has no zstd (22.15 or later has).',
    remedy: 'Use a newer Node, or `compression: gzip | snappy | lz4`.',
    exit: 1,
    retry: 'never',
  },
  PGS5018: {
    title: 'Kafka options contradict each other',
    cause: 'Two options of the sink cannot be used together, or a file that they name cannot be read.',
    remedy: 'See the message.',
    exit: 2,
    retry: 'never',
  },
  PGS5019: {
    title: 'TRUNCATE has no form here',
    cause: 'A table was truncated, and the sink’s format cannot say so (or the file says `truncate: error`).',
    remedy: 'Set `truncate: skip` and clear the topic’s readers yourself, or use `format: debezium`.',
    exit: 1,
    retry: 'never',
  },
  PGS5060: {
    title: 'Routing reads what old rows do not tell',
    cause:
      'The topic, the partition or the key depends on a column that the server does not send of an old row, so the place that a deleted or moved row had is not known.',
    remedy: 'Read only columns of the replica identity, or set REPLICA IDENTITY FULL on the table.',
    exit: 3,
    retry: 'never',
  },
  PGS5061: {
    title: 'No topic for a row',
    cause: 'The expression of `topic` gives NULL, or a text that is no name of a topic for rows.',
    remedy:
      'Mend the expression (coalesce), or let such rows go to the dead letters: `dead_letter` at the top of the file.',
    exit: 1,
    retry: 'never',
  },
  PGS5062: {
    title: 'Routing expression fails for a row',
    cause: 'An expression of the sink raises an error for the values of a row, or reads a value that was not sent.',
    remedy: 'Mend the expression, or let such rows go to the dead letters: `dead_letter` at the top of the file.',
    exit: 1,
    retry: 'never',
  },
  PGS5063: {
    title: 'Routing option does not fit',
    cause:
      'An option of the routing names a column that the table has not, or holds a regular expression that is none.',
    remedy: 'See the message; names are those after the transforms.',
    exit: 2,
    retry: 'never',
  },
  PGS5040: {
    title: 'Schema registry unreachable',
    cause: 'No address of `registry.url` answered, or each answered that it cannot now.',
    remedy: 'Check `registry.url` and the registry itself: the pipeline goes on from its last durable position.',
    exit: 1,
    retry: 'backoff',
  },
  PGS5041: {
    title: 'TLS to the schema registry failed',
    cause: 'The certificate of the registry does not verify, or it wants a client certificate.',
    remedy: 'Check `registry.ssl.ca`, `registry.ssl.cert` and `registry.ssl.key`.',
    exit: 1,
    retry: 'never',
  },
  PGS5042: {
    title: 'Schema registry refuses access',
    cause: 'The credentials are wrong, or may not do this with the subject.',
    remedy:
      'Check `registry.username` and `registry.password`, or `registry.token`; where schemas are registered by others, set `registry.auto_register: false`.',
    exit: 1,
    retry: 'never',
  },
  PGS5043: {
    title: 'Schema not compatible',
    cause: 'A table changed in a way that the compatibility of its subject does not allow.',
    remedy:
      'Change the compatibility of the subject named in the message (PUT /config/SUBJECT with {"compatibility": "NONE"}), or send the table to a new topic; the pipeline then goes on from its last durable position.',
    exit: 1,
    retry: 'never',
  },
  PGS5044: {
    title: 'Schema not registered',
    cause: '`registry.auto_register` is false, and the subject does not have this schema.',
    remedy: 'Register the schema, or set `registry.auto_register: true`.',
    exit: 1,
    retry: 'never',
  },
  PGS5045: {
    title: 'Schema not taken by the registry',
    cause: 'The registry does not know the format, or a rule of its own forbids the schema.',
    remedy: 'See the message of the registry.',
    exit: 1,
    retry: 'never',
  },
  PGS2210: {
    title: 'No part in the consumer group',
    cause: 'The coordinator of the group did not answer for longer than `session_timeout`, or refused the process.',
    remedy:
      'Nothing is lost: the process joins again and reads on where the target stands. If it cannot, see the message.',
    exit: 1,
    retry: 'backoff',
  },
  PGS2211: {
    title: 'Position means nothing in a group',
    cause: 'With `group`, positions count what one process has read since it began.',
    remedy: 'Use --stop-at now: the process ends where the partitions ended that it has.',
    exit: 2,
    retry: 'never',
  },
  PGS2212: {
    title: 'Record is no page of a journal',
    cause:
      'The topic holds something else than what the Kafka sink writes with `format: pgsluice`, or a later version wrote it.',
    remedy: 'Choose `topics` so that only journals match, or use the version that wrote them.',
    exit: 1,
    retry: 'never',
  },
  PGS2213: {
    title: 'Partition was taken away within a transaction',
    cause: 'The group gave a partition to another process while a large transaction of it was read.',
    remedy:
      'Nothing: what was applied of it is rolled back, and the transaction is read again by whoever has the partition.',
    exit: 1,
    retry: 'backoff',
  },
  PGS2214: {
    title: 'Journal has another number of partitions',
    cause:
      'Partitions were added to the topic of a journal. A table would be written to another one, and read there before what stands for it in the one it was in.',
    remedy:
      'Begin again under another `pipeline`, with another `topic` of that many partitions, and with empty tables in the target.',
    exit: 1,
    retry: 'never',
  },
  PGS5046: {
    title: 'Records and tables do not fit',
    cause:
      'Records that were not read yet are gone, a topic was made again, the offsets of the position are lost, or records are of a table or column that the database of `tables_from` has not.',
    remedy:
      'See the message. A table or column: make it there, then run again. Lost records: copy the tables again and start over (cleanup).',
    exit: 1,
    retry: 'never',
  },
  PGS5047: {
    title: 'Record is no change event of Debezium',
    cause: 'The topics hold something else than Debezium’s envelopes in JSON (with or without schemas).',
    remedy: 'Choose `topics` so that only those of tables match.',
    exit: 1,
    retry: 'never',
  },
  PGS5048: {
    title: 'Value cannot be told from the record',
    cause: 'Debezium wrote the value in a form from which the exact one cannot be made.',
    remedy: 'See the message, and docs/kafka-source.md for the modes that keep every value.',
    exit: 1,
    retry: 'never',
  },
  PGS5049: {
    title: 'Row cannot be told from the record',
    cause:
      'A record lacks the key or the old row that the change needs, a key changed while a large value was not sent, or a TRUNCATE is in a topic of several partitions.',
    remedy:
      'Set REPLICA IDENTITY FULL for the table on the source, or use one partition where tables are truncated; then have the table written to a new topic.',
    exit: 1,
    retry: 'never',
  },
  PGS5090: {
    title: 'Signals cannot be read',
    cause:
      'The table of `signals` is not among those of the sink, or is not made as it should be; or its topic is not there.',
    remedy: 'See the message; docs/kafka.md has the form of both.',
    exit: 3,
    retry: 'never',
  },
  PGS5064: {
    title: 'A row of an outbox was updated',
    cause: 'Events are what was inserted; an UPDATE of an outbox table is none.',
    remedy:
      'Do not update the table, or set `outbox: { table_op_invalid_behavior: warn }`; with a transform `filter` some rows can be left out.',
    exit: 1,
    retry: 'never',
  },
  PGS5065: {
    title: 'No event can be made of a row',
    cause:
      'A row of an outbox, or a logical message that stands for one, lacks a field, or holds one that cannot be what it should.',
    remedy:
      'Mend what writes the outbox, or let such rows go to the dead letters: `dead_letter` at the top of the file.',
    exit: 1,
    retry: 'never',
  },
} as const;

export const kafkaError = errorFactory(kafkaErrors);

/** An error of a value with the place of its row, where it does not say its table itself. */
export function placed(error: unknown, place: ErrorWhere): unknown {
  if (!(error instanceof PgsluiceError) || error.where.table !== undefined || error.retry !== 'never') return error;
  if (!(error.code in kafkaErrors)) return error;
  const { code, message, remedy, cause, where } = error;
  return kafkaError(code as keyof typeof kafkaErrors, message, { where: { ...where, ...place }, remedy, cause });
}

/** Of a change: its table and position. */
export function placeOf(change: RowChange): ErrorWhere {
  return { table: relationName(change.relation), lsn: formatLsn(change.lsn) };
}

/** What an error of a client library tells: a protocol error's name (TOPIC_AUTHORIZATION_FAILED) and system codes. */
export interface ClientFailure {
  /** Names of protocol errors, in order of discovery. */
  readonly protocol: readonly string[];
  /** Codes of the system (ECONNREFUSED) and of TLS. */
  readonly system: readonly string[];
  readonly authentication: boolean;
  readonly message: string;
}

const fenced = ['INVALID_PRODUCER_EPOCH', 'PRODUCER_FENCED', 'TRANSACTION_COORDINATOR_FENCED'];
const lostTransaction = ['INVALID_TXN_STATE', 'INVALID_PRODUCER_ID_MAPPING', 'TRANSACTION_ABORTABLE'];
const badTopic = ['INVALID_TOPIC_EXCEPTION', 'INVALID_PARTITIONS', 'INVALID_REPLICATION_FACTOR', 'INVALID_CONFIG'];
const refused = ['ECONNREFUSED', 'ENOTFOUND', 'EHOSTUNREACH', 'ENETUNREACH', 'ETIMEDOUT', 'EAI_AGAIN'];

/** Whether Node's code of an error is of TLS: of the handshake, or of a certificate. */
export function isTls(code: string): boolean {
  return /^ERR_(TLS|SSL)|CERT|^EPROTO$|^UNABLE_TO_VERIFY_LEAF_SIGNATURE$/.test(code);
}

/** The code for a failure of a client library: by the protocol's error names and system codes. */
export function classify(failure: ClientFailure): keyof typeof kafkaErrors {
  const { protocol, system } = failure;
  const has = (names: readonly string[]) => protocol.some((name) => names.includes(name));
  if (
    failure.authentication ||
    has(['SASL_AUTHENTICATION_FAILED', 'UNSUPPORTED_SASL_MECHANISM', 'ILLEGAL_SASL_STATE'])
  ) {
    return 'PGS5002';
  }
  if (protocol.some((name) => name.endsWith('AUTHORIZATION_FAILED'))) return 'PGS5004';
  if (has(fenced)) return 'PGS5013';
  if (has(lostTransaction)) return 'PGS5014';
  if (has(['MESSAGE_TOO_LARGE', 'RECORD_LIST_TOO_LARGE'])) return 'PGS5010';
  if (has(badTopic) || has(['POLICY_VIOLATION', 'INVALID_TRANSACTION_TIMEOUT'])) return 'PGS5006';
  if (system.some(isTls)) return 'PGS5003';
  return system.some((code) => refused.includes(code)) && protocol.length === 0 ? 'PGS5001' : 'PGS5011';
}

export function failed(
  failure: ClientFailure,
  doing: string,
  more: { cause: unknown; where?: ErrorWhere },
): PgsluiceError {
  const names = [...new Set([...failure.protocol, ...failure.system])].join(', ');
  return kafkaError(
    classify(failure),
    `${doing}: ${names === '' ? failure.message : `${names} (${failure.message})`}`,
    more,
  );
}
