import { hash } from 'node:crypto';
import type { Expr } from '../expr.ts';
import { dataError, unsupportedForm } from '../errors.ts';
import { type Entry, type Refusal, strict, strictWith, utf8Sql } from '../table.ts';
import { decodeEscape } from '../values/text.ts';
import { substring } from './text.ts';

const digest = (algorithm: string, bytes: Buffer | string): Buffer => hash(algorithm, bytes, 'buffer');

function encode(bytes: Buffer, format: string): string {
  switch (format.toLowerCase()) {
    case 'hex':
      return bytes.toString('hex');
    case 'base64':
      // Lines of 76 characters, none at the end (RFC 2045 as the server has it).
      return (bytes.toString('base64').match(/.{1,76}/g) ?? []).join('\n');
    case 'escape':
      return Array.from(bytes, (byte) =>
        byte === 0 || byte > 127
          ? `\\${byte.toString(8).padStart(3, '0')}`
          : byte === 92
            ? '\\\\'
            : String.fromCharCode(byte),
      ).join('');
    default:
      throw unknownFormat(format);
  }
}
function unknownFormat(format: string): Error {
  if (/^base(64url|32hex)$/i.test(format)) return unsupportedForm('an encoding of later versions');
  return dataError('22023', 'unrecognized encoding');
}
function decode(text: string, format: string): Buffer {
  switch (format.toLowerCase()) {
    case 'hex':
      if (!/^(?:[ \n\t\r]|[0-9a-fA-F]{2})*$/.test(text)) throw dataError('22023', 'invalid hexadecimal data');
      return Buffer.from(text.replace(/[ \n\t\r]/g, ''), 'hex');
    case 'base64':
      return decodeBase64(text.replace(/[ \n\t\r]/g, ''));
    case 'escape':
      return decodeEscape(text, 'invalid input syntax for type bytea');
    default:
      throw unknownFormat(format);
  }
}
function decodeBase64(text: string): Buffer {
  if (/=[^=]/.test(text) || /={3}/.test(text)) throw unsupportedForm('base64 with padding inside');
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(text) || text.length % 4 !== 0) throw dataError('22023', 'invalid base64');
  return Buffer.from(text, 'base64');
}

const utf8 = /^utf-?8$/i;
function checkEncoding([, name]: readonly Expr[]): Refusal | null {
  const known = name?.op === 'const' && name.text !== null && utf8.test(name.text);
  return known ? null : { code: 'PGS4107', message: "only the encoding 'UTF8' is supported" };
}
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
function fromUtf8(bytes: Buffer): string {
  if (bytes.includes(0)) throw dataError('22021', 'invalid byte sequence for encoding "UTF8"');
  try {
    return decoder.decode(bytes);
  } catch {
    throw dataError('22021', 'invalid byte sequence for encoding "UTF8"');
  }
}

export const bytes: readonly Entry[] = [
  strictWith(
    { sql: ([text = '']) => `pg_catalog.md5(${utf8Sql(text)})`, immutable: false },
    'md5',
    [['text'], 'text'],
    (text) => digest('md5', text).toString('hex'),
  ),
  strict('md5', ['bytea'], 'text', (value) => digest('md5', value).toString('hex')),
  ...(['sha224', 'sha256', 'sha384', 'sha512'] as const).map((name) =>
    strict(name, ['bytea'], 'bytea', (value) => digest(name, value)),
  ),
  strict('encode', ['bytea', 'text'], 'text', encode),
  strict('decode', ['text', 'text'], 'bytea', decode),
  strictWith({ check: checkEncoding, immutable: false }, 'convert_to', [['text', 'name'], 'bytea'], (text) =>
    Buffer.from(text),
  ),
  strictWith({ check: checkEncoding, immutable: false }, 'convert_from', [['bytea', 'name'], 'text'], fromUtf8),
  strict('||', ['bytea', 'bytea'], 'bytea', (a, b) => Buffer.concat([a, b])),
  strict('length', ['bytea'], 'int4', (value) => value.length),
  strict('octet_length', ['bytea'], 'int4', (value) => value.length),
  strict('bit_length', ['bytea'], 'int4', (value) => value.length * 8),
  strict('substring', ['bytea', 'int4'], 'bytea', (value, from) =>
    substring(from, null, (a, b) => value.subarray(a, b)),
  ),
  strict('substring', ['bytea', 'int4', 'int4'], 'bytea', (value, from, count) =>
    substring(from, count, (a, b) => value.subarray(a, b)),
  ),
  strict('get_byte', ['bytea', 'int4'], 'int4', (value, at) => {
    const byte = value[at];
    if (byte === undefined) throw dataError('2202E', 'index out of valid range');
    return byte;
  }),
];
