import type pg from 'pg';
import type { Logger } from '../../core/base/logger.ts';
import { type ConnectionOptions, connect, destroy, disconnect } from '../../core/postgres/connect.ts';
import { type LockWatchInput, watchLocks } from '../../core/postgres/lock-watch.ts';
import { fromPg } from '../../core/postgres/pg-error.ts';
import type { Owner } from './ownership/mark.ts';
import type { KeptClient } from './kept-client.ts';

/** How the parts of this plugin reach the source; one object, made from the options. */
export interface SourceAccess {
  readonly connection: ConnectionOptions;
  /** Name of the connection in errors. */
  readonly name: string;
  /** application_name of all our sessions; cleanup recognises our walsender by it. */
  readonly application: string;
  readonly slot: string;
  readonly publication: string;
  /** Slot and publication are those of tables that are copied beside the main stream. */
  readonly beside?: boolean;
  /** For a source that is a standby: see primary.ts. */
  readonly primary?: ConnectionOptions | null;
  /** Standbys keep a copy of the slot (17 and later). */
  readonly failover?: boolean;
  /** The owner of the objects on the source; without an ownership none of them is provably ours. */
  readonly owner: Owner;
  readonly log: Logger;
  /** Between the queries of {@link ask}. */
  readonly kept: KeptClient;
}

export function open(access: SourceAccess, replication = false): Promise<pg.Client> {
  return connect(access.connection, { name: access.name, applicationName: access.application, replication });
}

/** The input of a watch of our sessions' lock waits. */
export function lockWatchOf(access: SourceAccess): LockWatchInput {
  const { application, log } = access;
  return { open: () => open(access), application, side: 'source', log };
}

/** For COPY: the socket reads into reusable memory. */
export function openBulk(access: SourceAccess): Promise<pg.Client> {
  return connect(access.connection, { name: access.name, applicationName: access.application, bulk: true });
}

/**
 * Runs `work` on a connection of its own. Aborting closes the connection, so a query that hangs on the server ends,
 * too. Errors of the server are converted to ours. Sessions that block it are logged.
 */
export function withClient<T>(access: SourceAccess, signal: AbortSignal | null, work: Work<T>): Promise<T> {
  return within(access, signal, { work, open: () => open(access), close: disconnect });
}

/**
 * As {@link withClient}, for work that only reads and does not change the session: on the connection of the previous
 * query, if there is one.
 */
export function ask<T>(access: SourceAccess, signal: AbortSignal | null, work: Work<T>): Promise<T> {
  const { kept } = access;
  return within(access, signal, {
    work,
    open: async () => kept.take() ?? open(access),
    close: (client, failed) => (failed ? disconnect(client) : kept.give(client)),
  });
}

type Work<T> = (client: pg.Client) => Promise<T>;

interface Within<T> {
  readonly work: Work<T>;
  readonly open: () => Promise<pg.Client>;
  readonly close: (client: pg.Client, failed: boolean) => Promise<void>;
}

async function within<T>(access: SourceAccess, signal: AbortSignal | null, how: Within<T>): Promise<T> {
  signal?.throwIfAborted();
  const client = await how.open();
  const abort = (): void => destroy(client);
  signal?.addEventListener('abort', abort, { once: true });
  const locks = watchLocks(lockWatchOf(access));
  let failed = true;
  try {
    // The signal may have been aborted while the connection was made.
    signal?.throwIfAborted();
    const result = await how.work(client);
    failed = signal?.aborted === true;
    return result;
  } catch (error) {
    if (signal?.aborted === true) throw signal.reason;
    throw fromPg(error, { connection: access.name });
  } finally {
    signal?.removeEventListener('abort', abort);
    await locks.stop();
    await how.close(client, failed);
  }
}
