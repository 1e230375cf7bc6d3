import type { Metrics } from '../../../core/base/metrics.ts';
import type { Logger } from '../../../core/base/logger.ts';
import { formatLsn } from '../../../core/postgres/lsn.ts';
import type { Relation } from '../../../core/postgres/relation.ts';
import type { ChangeStream, StreamStart } from '../../../core/api/source.ts';
import { type ConnectionOptions, connect, destroy } from '../../../core/postgres/connect.ts';
import { queryMessage } from '../../../core/postgres/socket.ts';
import { PgoutputStream } from './change-stream.ts';
import { statusEvery } from './liveness.ts';
import { preflight, type ServerFacts } from './preflight.ts';
import { ReplicationSocket } from './replication-socket.ts';
import { streamErrorOf } from './server-error.ts';
import { startCommand } from './start-command.ts';
import type { WireRelation } from './wire.ts';

export interface OpenStreamInput {
  readonly connection: ConnectionOptions;
  /** Name of the connection in errors and logs. */
  readonly name: string;
  /** In pg_stat_activity, to recognise a walsender that outlived its process; default: `pgsluice` and the name. */
  readonly application?: string;
  readonly slot: string;
  readonly publications: readonly string[];
  readonly start: StreamStart;
  /** Joins a Relation message with the catalog; called once per shape, decoding waits for it. */
  readonly describe: (wire: WireRelation, before: Relation | null) => Promise<Relation>;
  /** Wire bytes after which a batch ends, inside a transaction if necessary. */
  readonly batchBytes: number;
  /** Wire bytes that are received ahead of the reader. */
  readonly bufferBytes: number;
  /** Milliseconds between status updates; lowered to a third of the server's wal_sender_timeout. */
  readonly statusInterval: number;
  readonly log: Logger;
  readonly metrics: Metrics;
  /** `none`: only changes made on the source itself (16+); default `any`. */
  readonly origin?: 'any' | 'none';
  /**
   * The server sends large transactions while they are in progress instead of spilling them on its disk; they are kept
   * in a temporary file here until they commit. Default false.
   */
  readonly streaming?: boolean;
  /**
   * Milliseconds of silence, with requests unanswered, after which the connection counts as dead; default one minute.
   */
  readonly silence?: number;
}

/**
 * Opens a replication connection, checks that server and slot are the same as before, and starts to stream. Throws
 * PGS20xx if it cannot connect, PGS2150 to PGS2157 if the stream must not start.
 */
export async function openStream(input: OpenStreamInput, signal: AbortSignal): Promise<ChangeStream> {
  signal.throwIfAborted();
  const { connection, name, application = `pgsluice ${name}` } = input;
  const client = await connect(connection, { name, replication: true, applicationName: application });
  try {
    const facts = await preflight(client, input);
    // Text of such a database must be checked before it is passed on.
    const binary = input.start.binary === true && !facts.unchecked;
    const command = startOf(input, facts.version, binary);
    signal.throwIfAborted();
    const stream = new PgoutputStream({ ...streamOptions(input, facts), binary, signal });
    await stream.start(new ReplicationSocket(client, stream.receiver), queryMessage(command));
    const values = binary ? 'binary' : 'text';
    const from = formatLsn(input.start.from);
    input.log.log('info', 'stream-started', `streaming from ${from}`, { slot: input.slot, values });
    return stream;
  } catch (error) {
    destroy(client);
    throw signal.aborted ? signal.reason : streamErrorOf(error, { connection: name, object: input.slot }, false);
  }
}

function startOf(input: OpenStreamInput, version: number, binary: boolean): string {
  return startCommand({
    slot: input.slot,
    publications: input.publications,
    from: input.start.from,
    version,
    origin: input.origin ?? 'any',
    streaming: input.streaming ?? false,
    binary,
  });
}

function streamOptions(input: OpenStreamInput, facts: ServerFacts) {
  return {
    name: input.name,
    describe: input.describe,
    from: input.start.from,
    acknowledged: input.start.acknowledged ?? 0n,
    until: input.start.until,
    batchBytes: input.batchBytes,
    bufferBytes: input.bufferBytes,
    statusInterval: statusEvery(input.statusInterval, facts.walSenderTimeout),
    silence: input.silence ?? 60_000,
    checkUtf8: facts.unchecked,
    log: input.log,
    metrics: input.metrics,
  };
}
