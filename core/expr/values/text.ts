import { dataError } from '../errors.ts';

/** Collation "C" on UTF-8: by bytes, which is by code points; UTF-16 sorts otherwise only from U+D800 on. */
export function compareText(a: string, b: string): number {
  if (a === b) return 0;
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const x = a.charCodeAt(i);
    const y = b.charCodeAt(i);
    if (x === y) continue;
    if (x >= 0xd800 && y >= 0xd800) {
      const xPair = x <= 0xdfff;
      const yPair = y <= 0xdfff;
      if (xPair !== yPair) return xPair ? 1 : -1;
    }
    return x - y;
  }
  return a.length - b.length;
}

const astral = /[\ud800-\udfff]/;
/** Length in characters. */
export function charLength(text: string): number {
  if (!astral.test(text)) return text.length;
  let n = 0;
  for (const _ of text) n++;
  return n;
}
/** Characters [from, to), 0-based, both within the text or clipped. */
export function sliceChars(text: string, from: number, to: number): string {
  if (to <= from) return '';
  if (!astral.test(text)) return text.slice(from, to);
  return [...text].slice(from, to).join('');
}
export const charsOf = (text: string): string[] => (astral.test(text) ? [...text] : text.split(''));

/** lower and upper under collation "C" change ASCII letters only. */
export function lowerAscii(text: string): string {
  return text.replace(/[A-Z]+/g, (run) => run.toLowerCase());
}
export function upperAscii(text: string): string {
  return text.replace(/[a-z]+/g, (run) => run.toUpperCase());
}

/** bpchar compares without its trailing blanks. */
export const trimBlanks = (text: string): string => text.replace(/ +$/, '');
export function padBlanks(text: string, typmod: number): string {
  if (typmod < 4) return text;
  const wanted = typmod - 4;
  const length = charLength(text);
  return length >= wanted ? sliceChars(text, 0, wanted) : text + ' '.repeat(wanted - length);
}

export function decodeBytes(text: string): Buffer {
  return Buffer.from(text.slice(2), 'hex');
}
export const encodeBytes = (bytes: Buffer): string => `\\x${bytes.toString('hex')}`;

/** byteain: hex or escape form. */
export function parseBytes(text: string): Buffer {
  if (text.startsWith('\\x')) {
    const digits = text.slice(2);
    if (!/^(?:[ \n\t\r]|[0-9a-fA-F]{2})*$/.test(digits)) throw dataError('22023', 'invalid hexadecimal data');
    return Buffer.from(digits.replace(/[ \n\t\r]/g, ''), 'hex');
  }
  return decodeEscape(text, 'invalid input syntax for type bytea');
}

/** encode(…, 'escape') reversed: \\ and \ooo. */
export function decodeEscape(text: string, message: string): Buffer {
  if (!text.includes('\\')) return Buffer.from(text);
  if (!/^(?:[^\\]|\\\\|\\[0-3][0-7]{2})*$/s.test(text)) throw dataError('22P02', message);
  const parts = text.split(/(\\\\|\\[0-3][0-7]{2})/);
  return Buffer.concat(
    parts.map((part) =>
      part === '\\\\'
        ? Buffer.from('\\')
        : /^\\\d{3}$/.test(part)
          ? Buffer.from([Number.parseInt(part.slice(1), 8)])
          : Buffer.from(part),
    ),
  );
}
export function compareBytes(a: Buffer, b: Buffer): number {
  return Buffer.compare(a, b);
}

const uuidForm = /^\{?([0-9a-f]{4}-?){8}\}?$/i;
/** uuid_in: hyphens after any group of four digits, braces around; canonical on output. */
export function parseUuid(text: string): string {
  const braced = text.startsWith('{') === text.endsWith('}');
  if (!uuidForm.test(text) || !braced || /-\}?$/.test(text))
    throw dataError('22P02', 'invalid input syntax for type uuid');
  const hex = text.replace(/[{}-]/g, '').toLowerCase();
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}
