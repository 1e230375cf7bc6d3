import type pg from 'pg';
import type { Logger } from '../../core/api/context.ts';
import { type ConnectionOptions, connect, destroy, disconnect } from '../postgres-common/connect.ts';
import { type LockWatchInput, watchLocks } from '../postgres-common/lock-watch.ts';
import { fromPg } from '../postgres-common/pg-error.ts';

/** How the parts of this plugin reach the source; one value, made from the options. */
export interface SourceAccess {
  readonly connection: ConnectionOptions;
  /** Name of the connection in errors. */
  readonly name: string;
  /** application_name of all our sessions; cleanup knows our walsender by it. */
  readonly application: string;
  readonly slot: string;
  readonly publication: string;
  readonly log: Logger;
}

export function open(access: SourceAccess, replication = false): Promise<pg.Client> {
  return connect(access.connection, { name: access.name, applicationName: access.application, replication });
}

/** What a watch of our sessions' lock waits needs. */
export function lockWatchOf(access: SourceAccess): LockWatchInput {
  const { application, log } = access;
  return { open: () => open(access), application, side: 'source', log };
}

/** For COPY: the socket reads into memory that it uses again. */
export function openBulk(access: SourceAccess): Promise<pg.Client> {
  return connect(access.connection, { name: access.name, applicationName: access.application, bulk: true });
}

/**
 * Runs `work` on a connection of its own. Aborting cuts the connection, so a query that hangs on the server ends, too.
 * Errors of the server come out as ours. Whoever makes it wait for a lock is told.
 */
export async function withClient<T>(
  access: SourceAccess,
  signal: AbortSignal | null,
  work: (client: pg.Client) => Promise<T>,
): Promise<T> {
  signal?.throwIfAborted();
  const client = await open(access);
  const abort = (): void => destroy(client);
  signal?.addEventListener('abort', abort, { once: true });
  const locks = watchLocks(lockWatchOf(access));
  try {
    return await work(client);
  } catch (error) {
    if (signal?.aborted === true) throw signal.reason;
    throw fromPg(error, { connection: access.name });
  } finally {
    signal?.removeEventListener('abort', abort);
    await locks.stop();
    await disconnect(client);
  }
}
