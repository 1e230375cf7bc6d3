import { errorFactory } from '../base/error.ts';

/** PGS20xx: connections to PostgreSQL, shared by source, sink and checkpoint. */
export const connectionErrors = {
  PGS2001: {
    title: 'Server unreachable',
    cause: 'No TCP connection to the host and port of the URL.',
    remedy: 'Check host, port, firewall and listen_addresses of the server.',
    exit: 1,
    retry: 'backoff',
  },
  PGS2002: {
    title: 'Authentication failed',
    cause: 'The server refused user or password, or pg_hba.conf has no entry for this client.',
    remedy: 'Check user and password in the URL (or PGPASSFILE), and pg_hba.conf on the server.',
    exit: 1,
    retry: 'never',
  },
  PGS2003: {
    title: 'Database does not exist',
    cause: 'The server has no database of this name.',
    remedy: 'Create the database or correct the URL.',
    exit: 1,
    retry: 'never',
  },
  PGS2004: {
    title: 'TLS refused',
    cause: 'The server does not speak TLS as the URL demands, or its certificate does not verify.',
    remedy: 'Check sslmode and sslrootcert, or the certificate of the server.',
    exit: 1,
    retry: 'never',
  },
  PGS2005: {
    title: 'Connection lost',
    cause: 'The server closed the connection, was restarted, or the network broke.',
    remedy: 'Nothing is lost: run again, it resumes from its checkpoint.',
    exit: 1,
    retry: 'backoff',
  },
  PGS2006: {
    title: 'Too many connections',
    cause: 'The server has no connection slot left.',
    remedy: 'Raise max_connections, or lower snapshot.workers.',
    exit: 1,
    retry: 'backoff',
  },
  PGS2007: {
    title: 'Statement failed',
    cause: 'The server refused a statement.',
    remedy: 'Mend what the message of the server says, then run again: it resumes from its checkpoint.',
    exit: 1,
    retry: 'never',
  },
  PGS2008: {
    title: 'Server busy',
    cause:
      'The server cannot serve now: it starts, stops, recovers, is out of disk or memory, or chose us as deadlock victim.',
    remedy: 'Run again when the server is well; it resumes from its checkpoint.',
    exit: 1,
    retry: 'backoff',
  },
  PGS2009: {
    title: 'Connection URL not understood',
    cause: 'The URL, or a connection setting beside it, is not one that libpq would take.',
    remedy: 'Write postgres://user:password@host:port/database?sslmode=verify-full, special characters as %XX.',
    exit: 2,
    retry: 'never',
  },
  PGS2095: {
    title: 'No host of the wanted kind',
    cause:
      'None of the hosts that the URL lists is what target_session_attrs asks for: a standby was promoted to nothing yet, or the one that was is away.',
    remedy:
      'Nothing is lost: run again when one of them is promoted. If none will be, correct the hosts or target_session_attrs.',
    exit: 1,
    retry: 'backoff',
  },
  PGS2096: {
    title: 'Pooler in transaction mode',
    cause:
      'PgBouncer or another pooler gives a client another session of the server for each transaction. Settings, snapshots, locks and prepared statements of a session would be those of others.',
    remedy: 'Name the server itself in the URL, or a pool with pool_mode=session.',
    exit: 1,
    retry: 'never',
  },
  PGS2165: {
    title: 'Value too large',
    cause:
      'Something has to read one value whose text is longer than a string can be here (about 512 MB; of bytea that is 256 MB). Values that are only passed on may be as large as the server takes them.',
    remedy:
      'Leave the column out of what reads it: expressions, scripts, a sink that takes text (`columns: { drop: [COLUMN] }`). Under REPLICA IDENTITY FULL old rows are read as well: give the table a key and REPLICA IDENTITY DEFAULT. Or leave the table out.',
    exit: 1,
    retry: 'never',
  },
} as const;

export const connectionError = errorFactory(connectionErrors);
