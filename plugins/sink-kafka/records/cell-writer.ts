import { type ByteWriter, type Bytes, textOf, wordsOf } from '../../../core/base/byte-writer.ts';
import { jsonString } from './json.ts';

/**
 * Writes the JSON of one value, whose text (UTF-8) lies at [start, stop): the same bytes as the encoder of its type gives, without
 * a string on the way. What a writer does not know at a glance it leaves to the encoder.
 */
export type CellWriter = (to: ByteWriter, from: Bytes, start: number, stop: number) => void;

const quote = 0x22;
const zero = 0x30;
/** From here on a byte begins a character beyond U+FFFF. */
const longest = 0xf0;

/** By way of a string. */
export function viaText(encode: (text: string) => string): CellWriter {
  return (to, from, start, stop) => to.text(encode(textOf(from, start, stop)));
}

/** See jsonString: most text holds nothing that is to be escaped, which is found out while it is copied. */
export const writeString: CellWriter = (to, from, start, stop) => {
  const before = to.at;
  if (stop - start < 4) {
    to.byte(quote);
    to.copy(from, start, stop);
    if (!needsEscape(from.bytes, start, stop)) return to.byte(quote);
  } else {
    to.reserve(stop - start + 2);
    to.bytes[before] = quote;
    if (!copyAndLook(to.view, before + 1, from.view, { start, stop })) {
      to.at = before + stop - start + 2;
      to.bytes[to.at - 1] = quote;
      return;
    }
  }
  to.at = before;
  to.text(jsonString(textOf(from, start, stop)));
};

function needsEscape(bytes: Uint8Array, start: number, stop: number): boolean {
  for (let i = start; i < stop; i++) {
    const byte = bytes[i] as number;
    if (byte < 0x20 || byte === quote || byte === 0x5c || byte >= longest) return true;
  }
  return false;
}

/** Copies at least four bytes; returns whether one of them is to be escaped. The last four may overlap those before. */
function copyAndLook(
  to: DataView,
  at: number,
  from: DataView,
  { start, stop }: { readonly start: number; readonly stop: number },
): boolean {
  const last = stop - 4;
  const shift = at - start;
  let found = 0;
  for (let i = start; i < last; i += 4) {
    const word = from.getInt32(i, true);
    to.setInt32(i + shift, word, true);
    found |= escapesIn(word);
  }
  const word = from.getInt32(last, true);
  to.setInt32(last + shift, word, true);
  return ((found | escapesIn(word)) & 0x80808080) !== 0;
}

/**
 * The highest bit of a byte is set where that byte, or one below it, is a control character, a quote or a backslash; or where its upper
 * half is all ones.
 */
function escapesIn(word: number): number {
  const quotes = word ^ 0x22222222;
  const backslashes = word ^ 0x5c5c5c5c;
  return (
    ((word - 0x20202020) & ~word) |
    ((quotes - 0x01010101) & ~quotes) |
    ((backslashes - 0x01010101) & ~backslashes) |
    (word & (word << 1) & (word << 2) & (word << 3))
  );
}

/** Numbers and other text that is JSON as it is. */
export const writeAsIs: CellWriter = (to, from, start, stop) => to.copy(from, start, stop);

/** Text without anything to escape. */
export const writeQuoted: CellWriter = (to, from, start, stop) => {
  to.byte(quote);
  to.copy(from, start, stop);
  to.byte(quote);
};

const yes = wordsOf('true');
const no = wordsOf('false');
export const writeBool: CellWriter = (to, from, start) => to.putWords(from.bytes[start] === 0x74 ? yes : no);

/** Whether the text is `YYYY-MM-DD HH:MM:SS…` of our era. */
function isPlain(from: Uint8Array, start: number, stop: number): boolean {
  return stop - start >= 19 && from[start + 4] === 0x2d && from[start + 10] === 0x20 && from[stop - 1] !== 0x43;
}

/** See timestamptzEncoder. */
export function timestamptzWriter(typmod: number, encode: (text: string) => string): CellWriter {
  const digits = typmod < 0 ? 6 : typmod;
  return (to, from, start, stop) => {
    const { bytes } = from;
    if (!isPlain(bytes, start, stop)) return to.text(encode(textOf(from, start, stop)));
    to.reserve(stop - start + digits + 5);
    const begin = to.at;
    to.byte(quote);
    to.copy(from, start, start + 19);
    to.bytes[begin + 11] = 0x54;
    if (digits > 0) {
      to.byte(0x2e);
      const first = to.at;
      let end = start + 19;
      if (bytes[end] === 0x2e) {
        for (end++; end < stop && isDigit(bytes[end] as number); ) end++;
        to.copy(from, start + 20, end);
      }
      while (to.at - first < digits) to.byte(zero);
    }
    to.byte(0x5a);
    to.byte(quote);
  };
}

function isDigit(byte: number): boolean {
  return byte >= zero && byte <= 0x39;
}

/** Largest count of digits that a number holds exactly. */
const exactDigits = 14;
const base64 = Buffer.from('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/');
const octets = new Uint8Array(9);

/** See decimalEncoder: `string`; NaN and the infinities end with a letter. */
export function decimalTextWriter(encode: (text: string) => string): CellWriter {
  return (to, from, start, stop) => {
    if (isDigit(from.bytes[stop - 1] as number)) writeQuoted(to, from, start, stop);
    else to.text(encode(textOf(from, start, stop)));
  };
}

/** See decimalEncoder: `precise`, of a scale that is not negative. */
export function decimalWriter(scale: number, encode: (text: string) => string): CellWriter {
  return (to, from, start, stop) => {
    const unscaled = readUnscaled(from.bytes, start, { stop, scale });
    if (unscaled === null) return to.text(encode(textOf(from, start, stop)));
    to.reserve(16);
    to.at = putInteger(to.bytes, to.at, unscaled);
  };
}

/** Null: there is something beside digits, or too many of them. */
function readUnscaled(
  from: Uint8Array,
  start: number,
  { stop, scale }: { readonly stop: number; readonly scale: number },
): number | null {
  const negative = from[start] === 0x2d;
  let value = 0;
  let count = 0;
  /** Digits behind the point; -1: before it. */
  let behind = -1;
  for (let i = negative ? start + 1 : start; i < stop; i++) {
    const byte = from[i] as number;
    if (isDigit(byte)) {
      if (behind >= 0 && behind++ >= scale) return null;
      value = value * 10 + byte - zero;
      count++;
    } else if (byte === 0x2e && behind < 0) behind = 0;
    else return null;
  }
  for (let more = scale - Math.max(behind, 0); more > 0; more--, count++) value *= 10;
  if (count === 0 || count > exactDigits) return null;
  return negative ? -value : value;
}

/** Quoted base64 of the shortest big-endian two's complement; see base64Integer. */
function putInteger(bytes: Buffer, at: number, value: number): number {
  let size = 1;
  let limit = 0x80;
  for (; value >= limit || value < -limit; limit *= 0x100) size++;
  let rest = value < 0 ? value + limit * 2 : value;
  for (let i = size - 1; i >= 0; i--) {
    octets[i] = rest % 0x100;
    rest = Math.floor(rest / 0x100);
  }
  octets.fill(0, size);
  let p = at;
  bytes[p++] = quote;
  for (let i = 0; i < size; i += 3) {
    const group = ((octets[i] as number) << 16) | ((octets[i + 1] as number) << 8) | (octets[i + 2] as number);
    bytes[p++] = base64[group >> 18] as number;
    bytes[p++] = base64[(group >> 12) & 63] as number;
    bytes[p++] = i + 1 < size ? (base64[(group >> 6) & 63] as number) : 0x3d;
    bytes[p++] = i + 2 < size ? (base64[group & 63] as number) : 0x3d;
  }
  bytes[p++] = quote;
  return p;
}
