import { type Bytes, textOf } from '../../../core/base/byte-writer.ts';

const quote = 0x22;
const backslash = 0x5c;
const comma = 0x2c;
const minus = 0x2d;

/** 255: no character of base64. */
const sextets = new Uint8Array(256).fill(255);
[...'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'].forEach((c, i) => {
  sextets[c.charCodeAt(0)] = i;
});
/** The URL-safe alphabet. */
sextets['-'.charCodeAt(0)] = 62;
sextets['_'.charCodeAt(0)] = 63;

/**
 * Reads JSON whose form is known, from beginning to end: what the encoders of records wrote, without blanks and with members in the order of
 * their schema. It is not checked any further than by {@link member}.
 */
export class JsonCursor {
  bytes: Uint8Array = new Uint8Array(0);
  at = 0;
  #from: Bytes = { bytes: this.bytes, view: new DataView(new ArrayBuffer(0)) };
  /** Where the last string's content is, or what it is where it has escapes. */
  start = 0;
  stop = 0;
  escaped = false;

  load(from: Bytes, start: number): void {
    this.#from = from;
    this.bytes = from.bytes;
    this.at = start;
  }

  /** Of the memory that is read. */
  get source(): Bytes {
    return this.#from;
  }

  /** `null`, and then moves past it. */
  isNull(): boolean {
    if (this.bytes[this.at] !== 0x6e) return false;
    this.at += 4;
    return true;
  }

  /** Past `{"name":` or `,"name":`, which is so long. */
  member(length: number): void {
    this.at += length;
    if (this.bytes[this.at - 1] !== 0x3a) throw new Error('a record is not of the form of its schema');
  }

  /** Past one character of punctuation. */
  skip(): void {
    this.at++;
  }

  /** At `[` or `{`, or between two items: whether one more comes; moves to it, or past the end. */
  more(): boolean {
    const here = this.bytes[this.at++] as number;
    if (here === 0x5d || here === 0x7d) return false;
    if (here === comma) return true;
    const next = this.bytes[this.at];
    if (next !== 0x5d && next !== 0x7d) return true;
    this.at++;
    return false;
  }

  boolean(): boolean {
    const yes = this.bytes[this.at] === 0x74;
    this.at += yes ? 4 : 5;
    return yes;
  }

  /** A whole number; as bigint where a number would not be exact. */
  integer(): number | bigint {
    const { bytes } = this;
    const start = this.at;
    const negative = bytes[start] === minus;
    let at = negative ? start + 1 : start;
    let value = 0;
    for (let byte = bytes[at] as number; byte >= 0x30 && byte <= 0x39; byte = bytes[++at] as number) {
      value = value * 10 + byte - 0x30;
    }
    this.at = at;
    if (at - start > 15) return BigInt(textOf(this.#from, start, at));
    return negative ? -value : value;
  }

  /** Of a float or a double: those that are no JSON numbers are strings. */
  number(): number {
    if (this.bytes[this.at] === quote) return Number(this.text());
    const start = this.at;
    let end = start;
    for (let byte = this.bytes[end] as number; byte > comma && byte < 0x5b; byte = this.bytes[end] as number) end++;
    this.at = end;
    return Number(textOf(this.#from, start, end));
  }

  /** Sets {@link start}, {@link stop} and {@link escaped}. */
  string(): void {
    const { bytes } = this;
    let at = this.at + 1;
    this.start = at;
    this.escaped = false;
    for (let byte = bytes[at] as number; byte !== quote; byte = bytes[++at] as number) {
      if (byte !== backslash) continue;
      this.escaped = true;
      at++;
    }
    this.stop = at;
    this.at = at + 1;
  }

  /** A string as it is meant. */
  text(): string {
    this.string();
    return this.content();
  }

  /** Of the last string. */
  content(): string {
    if (!this.escaped) return textOf(this.#from, this.start, this.stop);
    return JSON.parse(textOf(this.#from, this.start - 1, this.stop + 1)) as string;
  }

  /** Past a value of any form. */
  past(): void {
    const first = this.bytes[this.at];
    if (first === quote) return this.string();
    if (first === 0x7b || first === 0x5b) {
      let depth = 0;
      do {
        const byte = this.bytes[this.at];
        if (byte === quote) {
          this.string();
          continue;
        }
        if (byte === 0x7b || byte === 0x5b) depth++;
        else if (byte === 0x7d || byte === 0x5d) depth--;
        this.at++;
      } while (depth > 0);
      return;
    }
    for (let byte = first as number; byte !== comma && byte !== 0x7d && byte !== 0x5d; )
      byte = this.bytes[++this.at] as number;
  }
}

/** Bytes that base64 at [start, stop) stands for, written to `to` at `at`; returns where they end. */
export function putBase64(
  to: Uint8Array,
  at: number,
  from: Uint8Array,
  place: { readonly start: number; readonly stop: number },
): number {
  let p = at;
  let held = 0;
  let bits = 0;
  for (let i = place.start; i < place.stop; i++) {
    const sextet = sextets[from[i] as number] as number;
    // Padding.
    if (sextet === 255) break;
    held = ((held << 6) | sextet) & 0xffffff;
    bits += 6;
    if (bits < 8) continue;
    bits -= 8;
    to[p++] = (held >> bits) & 0xff;
  }
  return p;
}
