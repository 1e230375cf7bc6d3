import { kafkaError } from '../errors.ts';
import { javaNumber } from './java-number.ts';
import { jsonString } from './json.ts';

export type DecimalMode = 'precise' | 'double' | 'string';

const scratch = Buffer.alloc(6);

/** Base64 of the shortest big-endian two's complement of an integer, as BigInteger.toByteArray gives it. */
export function base64Integer(digits: string): string {
  if (digits.length <= 14) {
    const n = Number(digits);
    scratch.writeIntBE(n, 0, 6);
    let from = 0;
    const skip = n < 0 ? 0xff : 0;
    while (from < 5 && scratch[from] === skip && ((scratch[from + 1] as number) & 0x80) === (skip & 0x80)) from++;
    return scratch.toString('base64', from);
  }
  const value = BigInt(digits);
  let bytes = Math.ceil(digits.length * 0.4153) + 1;
  const hex = BigInt.asUintN(bytes * 8, value)
    .toString(16)
    .padStart(bytes * 2, '0');
  const buffer = Buffer.from(hex, 'hex');
  let from = 0;
  const skip = value < 0n ? 0xff : 0;
  while (bytes > 1 && buffer[from] === skip && ((buffer[from + 1] as number) & 0x80) === (skip & 0x80)) {
    from++;
    bytes--;
  }
  return buffer.toString('base64', from);
}

export interface DecimalOptions {
  readonly mode: DecimalMode;
  /** What stands for NaN and the infinities under `precise`; null: PGS5007. */
  readonly notFinite: string | null;
  /** Debezium's names for them under `string`: NAN, POSITIVE_INFINITY, NEGATIVE_INFINITY. */
  readonly javaNames: boolean;
}

/** Encoder of numeric with a known scale (null: numeric without precision, whose scale goes with each value). */
export function decimalEncoder(
  { mode, notFinite, javaNames }: DecimalOptions,
  scale: number | null,
  column: string,
): (text: string) => string {
  if (mode === 'string') return javaNames ? (text) => `"${names.get(text) ?? text}"` : (text) => `"${text}"`;
  if (mode === 'double') return (text) => (isFiniteText(text) ? javaNumber(Number(text)) : jsonString(text));
  const precise = scale === null ? variableScale : (text: string) => `"${base64Integer(unscaled(text, scale))}"`;
  return (text) => {
    if (isFiniteText(text)) return precise(text);
    if (notFinite !== null) return notFinite;
    throw kafkaError('PGS5007', `column ${column} holds NaN or Infinity, which decimal: precise cannot carry`);
  };
}

const names = new Map([
  ['NaN', 'NAN'],
  ['Infinity', 'POSITIVE_INFINITY'],
  ['-Infinity', 'NEGATIVE_INFINITY'],
]);

/** Zeros at the end do not count, as in BigDecimal.stripTrailingZeros; the scale is never negative. */
function variableScale(text: string): string {
  const dot = text.indexOf('.');
  let end = text.length;
  if (dot !== -1) {
    while (text.charCodeAt(end - 1) === 48) end--;
    if (end === dot + 1) end = dot;
  }
  const scale = end > dot && dot !== -1 ? end - dot - 1 : 0;
  return `{"scale":${scale},"value":"${base64Integer(unscaled(text.slice(0, end), scale))}"}`;
}

/** As BigDecimal.toString: with an exponent where more than five zeros would follow the point. */
export function bigDecimal(text: string): string {
  const dot = text.indexOf('.');
  const scale = dot === -1 ? 0 : text.length - dot - 1;
  const negative = text.startsWith('-');
  const digits = text.replace(/\D/g, '').replace(/^0+(?=\d)/, '');
  const adjusted = digits.length - 1 - scale;
  const sign = negative && !/^0+$/.test(digits) ? '-' : '';
  if (adjusted >= -6) return sign + text.replace('-', '');
  return `${sign}${digits[0]}${digits.length > 1 ? `.${digits.slice(1)}` : ''}E${adjusted}`;
}

/** The digits of text times ten to the power of `scale`; the server prints exactly `scale` digits after the point. */
export function unscaled(text: string, scale: number): string {
  const dot = text.indexOf('.');
  const fraction = dot === -1 ? '' : text.slice(dot + 1);
  const whole = dot === -1 ? text : text.slice(0, dot);
  if (scale >= 0) return whole + fraction.slice(0, scale).padEnd(scale, '0');
  // A negative scale (PostgreSQL 15): the value is a multiple of a power of ten.
  const cut = whole.slice(0, scale);
  return cut === '' || cut === '-' ? '0' : cut;
}

function isFiniteText(text: string): boolean {
  return text !== 'NaN' && text !== 'Infinity' && text !== '-Infinity';
}

/**
 * Scale of a numeric's typmod (numeric.c: precision in the upper half, an 11-bit signed scale below, both after VARHDRSZ);
 * null for numeric without precision.
 */
export function scaleOf(typmod: number): number | null {
  if (typmod < 4) return null;
  return (((typmod - 4) & 0x7ff) ^ 1024) - 1024;
}

/** Precision of a numeric's typmod that has one. */
export function precisionOf(typmod: number): number {
  return ((typmod - 4) >> 16) & 0xffff;
}

/** money in the text of any locale with two fraction digits: only digits and the sign count. */
export function moneyEncoder(options: DecimalOptions): (text: string) => string {
  const encode = decimalEncoder(options, 2, 'money');
  return (text) => {
    const digits = text.replace(/\D/g, '').padStart(3, '0');
    const sign = text.includes('-') || text.includes('(') ? '-' : '';
    return encode(`${sign}${digits.slice(0, -2)}.${digits.slice(-2)}`);
  };
}
