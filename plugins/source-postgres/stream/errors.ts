import { errorFactory } from '../../../core/base/error.ts';

/** PGS2150 to PGS2199: the change stream of the PostgreSQL source. */
export const streamErrors = {
  PGS2150: {
    title: 'Another source',
    cause:
      'System identifier or database of the server are not those noted when the slot was made, or its timeline does not come from the one noted.',
    remedy: 'Point the URL at the server the pipeline was started on, or at a standby of it that was promoted.',
    exit: 1,
    retry: 'never',
  },
  PGS2151: {
    title: 'Slot missing',
    cause: 'The replication slot does not exist on the source, so the changes since the last position are gone.',
    remedy:
      '`pgsluice resync FILE --verify-first` makes a new slot and copies again what differs; or run `pgsluice cleanup` and start again with a snapshot.',
    exit: 1,
    retry: 'never',
    meaning: 'stream-lost',
  },
  PGS2152: {
    title: 'Slot of another kind',
    cause: 'The slot of this name is not a logical slot with the plugin pgoutput in this database.',
    remedy: 'Give the pipeline another name or another `slot.name`.',
    exit: 1,
    retry: 'never',
  },
  PGS2153: {
    title: 'Slot in use',
    cause:
      'Another connection streams from the slot: a second run, or the server has not noticed yet that the last one ended.',
    remedy: 'Stop the other run. If there is none, the server frees the slot after wal_sender_timeout.',
    exit: 1,
    retry: 'backoff',
  },
  PGS2154: {
    title: 'Slot lost',
    cause: 'The server removed WAL that the slot needed (max_slot_wal_keep_size) or invalidated the slot.',
    remedy:
      'Mend what the message says (max_slot_wal_keep_size), then `pgsluice resync FILE --verify-first`: it makes a new slot and copies again what differs. Or run `pgsluice cleanup` and start again with a snapshot.',
    exit: 1,
    retry: 'never',
    meaning: 'stream-lost',
  },
  PGS2155: {
    title: 'Publication missing',
    cause: 'A publication of the pipeline does not exist on the source.',
    remedy: 'If someone dropped it, changes since then are lost to the pipeline: start again with a snapshot.',
    exit: 1,
    retry: 'never',
  },
  PGS2156: {
    title: 'Gap in the stream',
    cause:
      'The slot was confirmed beyond the position to resume from: something else consumed changes from it, or a target lost what it had, as after a failover to a standby that was behind, or a restore from a backup.',
    remedy:
      'The changes in between are no longer available. `pgsluice resync FILE --verify-first` compares the tables and copies again those that differ; or start again.',
    exit: 1,
    retry: 'never',
    meaning: 'stream-lost',
  },
  PGS2157: {
    title: 'Not supported by this server version',
    cause: 'The stream asks for something that the source server is too old for.',
    remedy: 'Remove the option, or upgrade the source.',
    exit: 1,
    retry: 'never',
  },
  PGS2158: {
    title: 'Source silent',
    cause: 'The server sent nothing for a long time although it was asked for a sign of life.',
    remedy: 'Check the network between here and the source. Nothing is lost.',
    exit: 1,
    retry: 'backoff',
  },
  PGS2159: {
    title: 'Stream ended by the server',
    cause: 'The server ended the replication stream, for example because it shuts down.',
    remedy: 'Nothing is lost: it resumes from the last durable position.',
    exit: 1,
    retry: 'backoff',
  },
  PGS2160: {
    title: 'Malformed replication message',
    cause: 'The bytes from the server are not what the protocol says. Nothing of this transaction was confirmed.',
    remedy: 'Check for a proxy between here and the source; otherwise report it with the server version.',
    exit: 1,
    retry: 'never',
  },
  PGS2161: {
    title: 'Unknown replication message',
    cause: 'The server sent a message type that this version does not know, or that was not asked for.',
    remedy: 'Report it with the server version.',
    exit: 1,
    retry: 'never',
  },
  PGS2162: {
    title: 'Two-phase decoding',
    cause: 'The slot sends prepared transactions before their commit, which this pipeline does not do.',
    remedy: 'Make the slot without two_phase; prepared transactions then arrive at COMMIT PREPARED.',
    exit: 1,
    retry: 'never',
  },
  PGS2163: {
    title: 'Shape of a table unclear',
    cause: 'The columns that the server announced for a table are not those that its catalog entry gave.',
    remedy: 'Run again; if it stays, report the table definition.',
    exit: 1,
    retry: 'never',
  },
  PGS2164: {
    title: 'Value not sent',
    cause: 'A row came as new without one of its large values: a row filter of the publication moved it in.',
    remedy: 'Set REPLICA IDENTITY FULL on the table, or filter in the pipeline instead of in the publication.',
    exit: 1,
    retry: 'never',
  },
  PGS2166: {
    title: 'Text is not UTF-8',
    cause: 'The database has encoding SQL_ASCII and a value that is not valid UTF-8.',
    remedy: 'Mend the value on the source, or migrate the database to a real encoding first.',
    exit: 1,
    retry: 'never',
  },
  PGS2167: {
    title: 'Confirmation ahead of the stream',
    cause:
      'A position was confirmed that the stream has not handed out yet (a defect, refused before it can lose data).',
    remedy: 'Report it.',
    exit: 1,
    retry: 'never',
  },
  PGS2168: {
    title: 'Spill file failed',
    cause: 'The temporary file for a transaction in progress could not be written or read.',
    remedy: 'Make room in the temporary folder (TMPDIR), or leave out `streaming: true`.',
    exit: 1,
    retry: 'backoff',
  },
  PGS2169: {
    title: 'No binary form',
    cause: 'A value came as text where binary was asked for: its type has no send function.',
    remedy: 'Nothing: the stream starts again with text.',
    exit: 1,
    retry: 'text',
  },
  PGS2170: {
    title: 'The source cannot decode its WAL',
    cause:
      'The walsender ended with an internal error. PostgreSQL 14 and 15 may find no relation for a filenode when decoding starts again within a transaction that truncated or altered a table; 16 keeps what it needs for that. Nothing was skipped.',
    remedy:
      'Take the latest minor release of the source and run again; where it comes back at the same place no reader of the slot gets past it: run `pgsluice cleanup` and start over.',
    exit: 1,
    retry: 'never',
  },
  PGS2196: {
    title: 'Gap after a failover',
    cause:
      'A standby was promoted that had not received everything: the sinks have transactions that the old primary committed and the new one never saw. Going on would leave them there, and skip what has their positions now.',
    remedy:
      '`pgsluice resync FILE --verify-first` compares the target with the server as it is now, copies again what differs, and makes a new slot. For a sink that cannot be read back (Kafka), run `pgsluice cleanup` and start over.',
    exit: 1,
    retry: 'never',
    meaning: 'stream-lost',
  },
  PGS2197: {
    title: 'Slot lost in a failover',
    cause:
      'The server that was promoted does not have the slot: it was made without `slot.failover` (PostgreSQL 17), or no standby had it in step yet.',
    remedy:
      '`pgsluice resync FILE --verify-first` compares the target with the server as it is now, copies again what differs, and makes a new slot. Changes in between reach the target as a whole, not one by one; a sink that needs each of them (Kafka) has a gap.',
    exit: 1,
    retry: 'never',
    meaning: 'stream-lost',
  },
  PGS2198: {
    title: 'Source promoted',
    cause: 'The server is on another timeline than a moment ago: a standby was promoted while the stream was opened.',
    remedy: 'Nothing: the run looks at it again.',
    exit: 1,
    retry: 'backoff',
  },
} as const;

export const streamError = errorFactory(streamErrors);
export type StreamErrorCode = keyof typeof streamErrors;
