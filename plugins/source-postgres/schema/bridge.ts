import type pg from 'pg';
import { connectionError } from '../../../core/postgres/errors.ts';
import { type TakenSocket, takeSocket } from '../../../core/postgres/socket.ts';

const readyForQuery = 0x5a;
const query = 0x51;
const sync = 0x53;
const terminate = 0x58;

/**
 * Accepts what a libpq client writes and returns what it must read, over a connection that is past its startup. The
 * startup packet is answered here; everything else goes to the server, and the answer is complete at its ReadyForQuery
 * (manual: "Message Flow").
 */
export class BackendBridge {
  readonly #socket: TakenSocket;
  readonly #parameters: readonly [string, string][];
  #started = false;
  /** Bytes of the client that are not a complete message yet. */
  #pending: Buffer = Buffer.alloc(0);

  /** `serverVersion`: the server's parameter server_version, from which the client takes the major version. */
  constructor(client: pg.Client, serverVersion: string) {
    this.#socket = takeSocket(client);
    this.#parameters = [
      ['server_encoding', 'UTF8'],
      ['client_encoding', 'UTF8'],
      ['standard_conforming_strings', 'on'],
      ['integer_datetimes', 'on'],
      ['DateStyle', 'ISO, YMD'],
      ['server_version', serverVersion],
    ];
  }

  /** Sends the client's bytes; resolves with the server's, empty while the client has not finished a message. */
  async exchange(bytes: Buffer): Promise<Uint8Array> {
    this.#pending = Buffer.concat([this.#pending, bytes]);
    if (!this.#started) return this.#startup();
    let at = 0;
    let waits = false;
    while (at + 5 <= this.#pending.length) {
      const end = at + 1 + this.#pending.readUInt32BE(at + 1);
      if (end > this.#pending.length) break;
      const type = this.#pending[at];
      if (type === terminate) return Buffer.alloc(0);
      waits ||= type === query || type === sync;
      at = end;
    }
    this.#socket.stream.write(this.#pending.subarray(0, at));
    this.#pending = this.#pending.subarray(at);
    return waits ? this.#answer() : Buffer.alloc(0);
  }

  /**
   * SSLRequest and GSSENCRequest are refused, the startup message is accepted: the real connection has done all that.
   */
  #startup(): Buffer {
    if (this.#pending.length < 8) return Buffer.alloc(0);
    const size = this.#pending.readUInt32BE(0);
    if (this.#pending.length < size) return Buffer.alloc(0);
    const code = this.#pending.readUInt32BE(4);
    this.#pending = this.#pending.subarray(size);
    if (code === 80877103 || code === 80877104) return Buffer.from('N');
    this.#started = true;
    const authenticationOk = message('R', Buffer.from([0, 0, 0, 0]));
    const parameters = this.#parameters.map(([name, value]) => message('S', Buffer.from(`${name}\0${value}\0`)));
    const keyData = message('K', Buffer.alloc(8));
    return Buffer.concat([authenticationOk, ...parameters, keyData, message('Z', Buffer.from('I'))]);
  }

  #answer(): Promise<Uint8Array> {
    const { stream } = this.#socket;
    return new Promise((resolve, reject) => {
      const parts: Buffer[] = [];
      const scan = new ReadyScanner();
      const done = (): void => {
        stream.off('data', onData);
        stream.off('close', onClose);
      };
      const onClose = (): void => {
        done();
        reject(connectionError('PGS2005', 'the server closed the connection during pg_dump'));
      };
      const onData = (chunk: Buffer): void => {
        parts.push(chunk);
        if (!scan.sees(chunk)) return;
        done();
        resolve(Buffer.concat(parts));
      };
      stream.on('data', onData);
      stream.on('close', onClose);
      stream.resume();
    });
  }
}

/** Follows message boundaries over chunks and reports the end of a ReadyForQuery. */
class ReadyScanner {
  readonly #header = Buffer.alloc(5);
  #seen = 0;
  #left = 0;

  sees(chunk: Buffer): boolean {
    let at = 0;
    for (;;) {
      if (this.#left > 0) {
        const here = Math.min(this.#left, chunk.length - at);
        this.#left -= here;
        at += here;
        if (this.#left > 0) return false;
      }
      if (this.#seen === 5) {
        this.#seen = 0;
        if (this.#header[0] === readyForQuery) return true;
      }
      while (this.#seen < 5 && at < chunk.length) this.#header[this.#seen++] = chunk[at++]!;
      if (this.#seen < 5) return false;
      this.#left = this.#header.readUInt32BE(1) - 4;
    }
  }
}

function message(type: string, body: Buffer): Buffer {
  const head = Buffer.alloc(5);
  head.write(type, 0, 'latin1');
  head.writeUInt32BE(body.length + 4, 1);
  return Buffer.concat([head, body]);
}
