import type { Tuple } from '../../../core/postgres/tuple.ts';

/** What stands for itself in COPY's text format except these (manual: COPY, "Text Format"). */
const special = /[\\\n\r\t]/;
const specials = /[\\\n\r\t]/g;
const escapes: Readonly<Record<string, string>> = { '\\': '\\\\', '\n': '\\n', '\r': '\\r', '\t': '\\t' };

/** Rows as lines of COPY text, each ended by a newline; NULL is `\N`. */
export function copyText(rows: readonly Tuple[]): string {
  let text = '';
  for (const row of rows) {
    for (let i = 0; i < row.length; i++) {
      if (i > 0) text += '\t';
      const cell = row[i]!;
      if (cell === null) text += '\\N';
      else text += special.test(cell) ? cell.replace(specials, (found) => escapes[found]!) : cell;
    }
    text += '\n';
  }
  return text;
}

/** One CopyData message, header and UTF-8 payload. */
export function copyDataMessage(text: string): Buffer {
  const length = Buffer.byteLength(text);
  const message = Buffer.allocUnsafe(length + 5);
  message[0] = 0x64;
  message.writeInt32BE(length + 4, 1);
  message.write(text, 5);
  return message;
}

/** Messages of COPY text, about 64 KB each; counts the rows. */
export async function* encodeRows(
  rows: AsyncIterable<readonly Tuple[]>,
  counted: { rows: bigint },
): AsyncGenerator<Uint8Array> {
  for await (const batch of rows) {
    // A row of many megabytes must not share a message with hundreds of others.
    for (let at = 0; at < batch.length; at += 128) {
      const some = batch.slice(at, at + 128);
      counted.rows += BigInt(some.length);
      yield copyDataMessage(copyText(some));
    }
  }
}
