import { dataError, divisionByZero, invalidText, outOfRange, unsupportedForm } from '../errors.ts';

/** A numeric: unscaled × 10^-scale, or one of the three values that are no number. Scale is the display scale. */
export class Decimal {
  readonly unscaled: bigint;
  readonly scale: number;
  readonly special: Special;
  constructor(unscaled: bigint, scale: number, special: Special = 0) {
    this.unscaled = unscaled;
    this.scale = scale;
    this.special = special;
  }
}
/** 0 a number, 1 Infinity, -1 -Infinity, 2 NaN (which sorts last, as on the server). */
export type Special = 0 | 1 | -1 | 2;
export const NAN = new Decimal(0n, 0, 2);
export const INFINITY = new Decimal(0n, 0, 1);
export const MINUS_INFINITY = new Decimal(0n, 0, -1);
export const ZERO = new Decimal(0n, 0);

const maxScale = 16383;
const powers: bigint[] = [1n];
export function pow10(n: number): bigint {
  if (n > 2000) return 10n ** BigInt(n);
  while (powers.length <= n) powers.push((powers.at(-1) as bigint) * 10n);
  return powers[n] as bigint;
}
const huge = 10n ** 131072n;

/** NUMERIC_WEIGHT_MAX: 131072 digits before the point. */
function checked(value: Decimal): Decimal {
  const u = value.unscaled < 0n ? -value.unscaled : value.unscaled;
  if (u >= huge && u >= huge * pow10(value.scale)) throw outOfRange('numeric');
  return value;
}
const abs = (n: bigint): bigint => (n < 0n ? -n : n);
export const fromInt = (n: bigint | number): Decimal => new Decimal(BigInt(n), 0);

/**
 * A decimal integer that may hold one point, which is dropped. Up to 15 digits are parsed as a JavaScript number:
 * BigInt of a text costs ten times as much.
 */
export function decodeUnscaled(text: string): bigint {
  if (text.length > 16) return BigInt(text.replace('.', ''));
  let n = 0;
  const negative = text.charCodeAt(0) === 45;
  for (let i = negative ? 1 : 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (c !== 46) n = n * 10 + c - 48;
  }
  return Number.isSafeInteger(n) ? BigInt(negative ? -n : n) : BigInt(text.replace('.', ''));
}

/** The server's own output. */
export function decodeDecimal(text: string): Decimal {
  const last = text.charCodeAt(text.length - 1);
  if (last > 57) return text === 'NaN' ? NAN : text === 'Infinity' ? INFINITY : MINUS_INFINITY;
  const dot = text.indexOf('.');
  return new Decimal(decodeUnscaled(text), dot < 0 ? 0 : text.length - dot - 1);
}

export function encodeDecimal(value: Decimal): string {
  if (value.special !== 0) return value.special === 2 ? 'NaN' : value.special === 1 ? 'Infinity' : '-Infinity';
  if (value.scale === 0) return value.unscaled.toString();
  const digits = abs(value.unscaled)
    .toString()
    .padStart(value.scale + 1, '0');
  const cut = digits.length - value.scale;
  return `${value.unscaled < 0n ? '-' : ''}${digits.slice(0, cut)}.${digits.slice(cut)}`;
}

const form = /^([+-]?)(?:(\d+)(?:\.(\d*))?|\.(\d+))(?:[eE]([+-]?\d+))?$/;
/** numeric_in. Forms that only 16 and later read (0x, 1_000) are not decided here. */
export function parseDecimal(input: string): Decimal {
  const text = trimSpace(input);
  const match = form.exec(text);
  if (match === null) {
    const word = /^([+-]?)(?:inf|infinity)$/i.exec(text);
    if (word !== null) return word[1] === '-' ? MINUS_INFINITY : INFINITY;
    if (/^nan$/i.test(text)) return NAN;
    if (/^[+-]?(0[xob]|\d+_)/i.test(text)) throw unsupportedForm('numeric text in a form of PostgreSQL 16 and later');
    throw invalidText('numeric');
  }
  const whole = match[2] ?? '';
  const fraction = match[3] ?? match[4] ?? '';
  const exponent = Number(match[5] ?? 0);
  if (exponent > 200_000 || exponent < -200_000) {
    if (/[^0]/.test(whole + fraction) || Math.abs(exponent) >= 1_073_741_823) throw outOfRange('numeric');
  }
  const digits = BigInt((whole + fraction).replace(/^0+(?=\d)/, '') || '0');
  const scale = fraction.length - exponent;
  const signed = match[1] === '-' ? -digits : digits;
  if (scale < 0) return checked(new Decimal(digits === 0n ? 0n : signed * pow10(-scale), 0));
  if (scale > maxScale) throw outOfRange('numeric');
  return checked(new Decimal(signed, scale));
}

/** isspace of the C locale. */
export function trimSpace(text: string): string {
  return text.replace(/^[ \t\n\v\f\r]+|[ \t\n\v\f\r]+$/g, '');
}

export function compareDecimal(a: Decimal, b: Decimal): number {
  if (a.special !== 0 || b.special !== 0) return a.special - b.special;
  let x = a.unscaled;
  let y = b.unscaled;
  if (a.scale < b.scale) x *= pow10(b.scale - a.scale);
  else if (a.scale > b.scale) y *= pow10(a.scale - b.scale);
  return x < y ? -1 : x > y ? 1 : 0;
}

/** Half away from zero, as numeric does; a smaller scale than the value's own. */
function shrink(unscaled: bigint, by: number): bigint {
  const unit = pow10(by);
  const half = unit / 2n;
  return unscaled < 0n ? -((-unscaled + half) / unit) : (unscaled + half) / unit;
}
export function round(value: Decimal, scale: number): Decimal {
  if (value.special !== 0) return value;
  const shown = Math.max(scale, 0);
  if (scale >= value.scale) return new Decimal(value.unscaled * pow10(scale - value.scale), scale);
  const cut = shrink(value.unscaled, value.scale - scale);
  return checked(new Decimal(scale < 0 ? cut * pow10(-scale) : cut, shown));
}
export function truncate(value: Decimal, scale: number): Decimal {
  if (value.special !== 0) return value;
  if (scale >= value.scale) return new Decimal(value.unscaled * pow10(scale - value.scale), scale);
  const cut = value.unscaled / pow10(value.scale - scale);
  return new Decimal(scale < 0 ? cut * pow10(-scale) : cut, Math.max(scale, 0));
}
export function floor(value: Decimal): Decimal {
  const whole = truncate(value, 0);
  return value.special === 0 && value.unscaled < 0n && compareDecimal(whole, value) !== 0
    ? new Decimal(whole.unscaled - 1n, 0)
    : whole;
}
export function ceil(value: Decimal): Decimal {
  return negate(floor(negate(value)));
}
export function negate(value: Decimal): Decimal {
  if (value.special === 2) return value;
  if (value.special !== 0) return value.special === 1 ? MINUS_INFINITY : INFINITY;
  return new Decimal(-value.unscaled, value.scale);
}
export function absolute(value: Decimal): Decimal {
  return value.special === -1 || value.unscaled < 0n ? negate(value) : value;
}
export function sign(value: Decimal): number {
  if (value.special !== 0) return value.special === 2 ? 2 : value.special;
  return value.unscaled < 0n ? -1 : value.unscaled > 0n ? 1 : 0;
}

export function add(a: Decimal, b: Decimal): Decimal {
  if (a.special !== 0 || b.special !== 0) {
    if (a.special === 2 || b.special === 2) return NAN;
    if (a.special !== 0 && b.special !== 0) return a.special === b.special ? a : NAN;
    return a.special !== 0 ? a : b;
  }
  if (a.scale === b.scale) return checked(new Decimal(a.unscaled + b.unscaled, a.scale));
  return a.scale > b.scale
    ? checked(new Decimal(a.unscaled + b.unscaled * pow10(a.scale - b.scale), a.scale))
    : checked(new Decimal(a.unscaled * pow10(b.scale - a.scale) + b.unscaled, b.scale));
}
export const subtract = (a: Decimal, b: Decimal): Decimal => add(a, negate(b));

function infinite(s: number): Decimal {
  return s === 0 ? NAN : s > 0 ? INFINITY : MINUS_INFINITY;
}
export function multiply(a: Decimal, b: Decimal): Decimal {
  if (a.special !== 0 || b.special !== 0) {
    return a.special === 2 || b.special === 2 ? NAN : infinite(sign(a) * sign(b));
  }
  const product = new Decimal(a.unscaled * b.unscaled, a.scale + b.scale);
  return checked(product.scale > maxScale ? round(product, maxScale) : product);
}

/** Weight of the first base-10000 digit and that digit: what numeric's division scale is chosen by (select_div_scale). */
function leading(value: Decimal): { weight: number; digit: number } {
  if (value.unscaled === 0n) return { weight: 0, digit: 0 };
  const digits = abs(value.unscaled).toString();
  const exponent = digits.length - value.scale - 1;
  const weight = Math.floor(exponent / 4);
  const take = exponent - 4 * weight + 1;
  return { weight, digit: Number(digits.slice(0, take).padEnd(take, '0')) };
}
function quotientScale(a: Decimal, b: Decimal): number {
  const x = leading(a);
  const y = leading(b);
  const weight = x.weight - y.weight - (x.digit <= y.digit ? 1 : 0);
  return Math.min(Math.max(16 - weight * 4, a.scale, b.scale, 0), 1000);
}
export function divide(a: Decimal, b: Decimal): Decimal {
  if (a.special === 2 || b.special === 2) return NAN;
  if (a.special !== 0) {
    if (b.special !== 0) return NAN;
    if (b.unscaled === 0n) throw divisionByZero();
    return infinite(sign(a) * sign(b));
  }
  if (b.special !== 0) return ZERO;
  if (b.unscaled === 0n) throw divisionByZero();
  const scale = quotientScale(a, b);
  // One digit more than shown, then half away from zero on the exact remainder.
  const shift = scale + b.scale - a.scale;
  let top = abs(a.unscaled);
  let bottom = abs(b.unscaled);
  if (shift >= 0) top *= pow10(shift);
  else bottom *= pow10(-shift);
  const quotient = (2n * top + bottom) / (2n * bottom);
  return checked(new Decimal(a.unscaled < 0n !== b.unscaled < 0n ? -quotient : quotient, scale));
}
export function modulo(a: Decimal, b: Decimal): Decimal {
  if (a.special === 2 || b.special === 2) return NAN;
  if (a.special !== 0) {
    if (b.special === 0 && b.unscaled === 0n) throw divisionByZero();
    return NAN;
  }
  if (b.special !== 0) return a;
  if (b.unscaled === 0n) throw divisionByZero();
  const scale = Math.max(a.scale, b.scale);
  return new Decimal((a.unscaled * pow10(scale - a.scale)) % (b.unscaled * pow10(scale - b.scale)), scale);
}

/** Rounded to an integer within [-2^(bits-1), 2^(bits-1)); 22003 outside, 0A000 for what is no number. */
export function toInteger(value: Decimal, bits: number, type: string): bigint {
  if (value.special !== 0)
    throw dataError('0A000', `cannot convert ${value.special === 2 ? 'NaN' : 'infinity'} to ${type}`);
  const whole = round(value, 0).unscaled;
  if (BigInt.asIntN(bits, whole) !== whole) throw outOfRange(type);
  return whole;
}

/** numeric(precision, scale) as atttypmod holds it: ((precision << 16) | scale (11 bits, signed)) + 4. */
export function applyPrecision(value: Decimal, typmod: number): Decimal {
  if (typmod < 4 || value.special === 2) return value;
  const { precision, scale } = numericTypmod(typmod);
  if (value.special !== 0) throw outOfRange('numeric');
  const rounded = round(value, scale);
  if (abs(rounded.unscaled) >= pow10(Math.max(precision - scale, 0) + rounded.scale) && precision - scale >= 0) {
    throw outOfRange('numeric');
  }
  if (precision < scale && abs(rounded.unscaled) >= pow10(precision)) throw outOfRange('numeric');
  return rounded;
}
export function numericTypmod(typmod: number): { precision: number; scale: number } {
  const packed = typmod - 4;
  return { precision: (packed >> 16) & 0xffff, scale: ((packed & 0x7ff) ^ 1024) - 1024 };
}
