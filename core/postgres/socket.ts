import type { Duplex } from 'node:stream';
import pg from 'pg';

/** An authenticated connection's socket, taken from pg for a while. */
export interface TakenSocket {
  readonly stream: Duplex;
  /** Returns the socket to pg. Only between two queries: after a ReadyForQuery, before the next message. */
  release(): void;
}

/**
 * Takes the socket of an idle connection: pg does startup, authentication and TLS, then we read the bytes. pg's own
 * reader uses a reusable buffer, and copies every message once more than bulk data can afford.
 */
export function takeSocket(client: pg.Client): TakenSocket {
  const { stream } = (client as unknown as { connection: { stream: Duplex } }).connection;
  const readers = stream.listeners('data') as ((chunk: Buffer) => void)[];
  for (const reader of readers) stream.off('data', reader);
  return {
    stream,
    release: () => {
      for (const reader of readers) stream.on('data', reader);
      stream.resume();
    },
  };
}

/** A simple Query message (manual: "Message Formats"). */
export function queryMessage(sql: string): Buffer {
  const text = Buffer.from(sql, 'utf8');
  const message = Buffer.allocUnsafe(text.length + 6);
  message[0] = 0x51;
  message.writeUInt32BE(text.length + 5, 1);
  text.copy(message, 5);
  message[message.length - 1] = 0;
  return message;
}

const errorFields: Readonly<Record<string, string>> = {
  V: 'severity',
  C: 'code',
  D: 'detail',
  H: 'hint',
  s: 'schema',
  t: 'table',
  c: 'column',
  n: 'constraint',
  W: 'where',
  R: 'routine',
};

/** The body of an ErrorResponse or NoticeResponse as pg's error class (manual: "Error and Notice Message Fields"). */
export function serverError(body: Buffer): pg.DatabaseError {
  const fields = new Map<string, string>();
  for (let at = 0; at < body.length && body[at] !== 0; ) {
    const end = body.indexOf(0, at + 1);
    if (end === -1) break;
    fields.set(String.fromCharCode(body[at]!), body.toString('utf8', at + 1, end));
    at = end + 1;
  }
  const error = new pg.DatabaseError(fields.get('M') ?? 'unknown error', body.length, 'error');
  for (const [letter, name] of Object.entries(errorFields)) {
    const value = fields.get(letter);
    if (value !== undefined) Object.assign(error, { [name]: value });
  }
  return error;
}
