/**
 * Numbers as Double.toString and Float.toString of Java print them up to release 18 (what Jackson writes): mostly the shortest digits that
 * are read as the same number, which is what the server prints. They differ for powers of two, for whole numbers beyond what
 * the significand holds, and where one digit would do: Java prints two then.
 */

const plain = /^-?(?:0|[1-9]\d{0,6})(?:\.\d+)?$/;
const parts = /^(-?)(\d+)(?:\.(\d+))?(?:e([+-]?\d+))?$/i;

/** A float8 in the server's text: `1` is 1.0, `1e+20` is 1.0E20, NaN and the infinities are strings. */
export function javaDouble(text: string): string {
  return written(text, doubles);
}

/** The same of a float4. */
export function javaFloat(text: string): string {
  return written(text, floats);
}

/** A float8 that was computed here. JavaScript prints a halfway value where neither Java nor the server does. */
export function javaNumber(value: number): string {
  const text = String(value);
  if (Math.abs(value) < 2 ** 53 || !Number.isFinite(value)) return javaDouble(text);
  const { digits, point } = exactDigits(Math.abs(value), doubles) ?? generated(Math.abs(value), doubles);
  return placed(value < 0 ? '-' : '', digits, point);
}

interface Format {
  /** Bits of the significand, with the hidden one. */
  readonly bits: number;
  /** Exponent of two of the smallest number. */
  readonly least: number;
}
const doubles: Format = { bits: 53, least: -1074 };
const floats: Format = { bits: 24, least: -149 };

/** Digits without zeros at either end, and where the decimal point is relative to the first of them. */
interface Digits {
  readonly digits: string;
  readonly point: number;
}

function written(text: string, format: Format): string {
  const match = parts.exec(text);
  if (match === null) return `"${text}"`;
  const [, sign = '', whole = '', fraction = '', exponent = '0'] = match;
  if (exponent === '0' && plain.test(text) && (whole !== '0' || !fraction.startsWith('000'))) {
    return fraction === '' ? `${text}.0` : text;
  }
  const all = (whole + fraction).replace(/^0+/, '');
  const digits = all.replace(/0+$/, '');
  if (digits === '') return `${sign}0.0`;
  const point = all.length - fraction.length + Number(exponent);
  const other = unlike(text, digits, format);
  return other === null ? placed(sign, digits, point) : placed(sign, other.digits, other.point);
}

function placed(sign: string, digits: string, point: number): string {
  if (point > 7 || point < -2) {
    return `${sign}${digits[0]}.${digits.slice(1) || '0'}E${point - 1}`;
  }
  if (point <= 0) return `${sign}0.${'0'.repeat(-point)}${digits}`;
  return `${sign}${digits.slice(0, point).padEnd(point, '0')}.${digits.slice(point) || '0'}`;
}

/** Java's digits where they may not be the shortest ones; null: they are. */
function unlike(text: string, digits: string, format: Format): Digits | null {
  const rounded = format === floats ? Math.fround(Number(text)) : Number(text);
  const value = Math.abs(rounded);
  const exact = exactDigits(value, format);
  if (exact !== null) return exact;
  const few = digits.length === 1 && value < 2 ** (format.least + 8);
  return few || isPowerOfTwo(value) ? generated(value, format) : null;
}

function isPowerOfTwo(value: number): boolean {
  return 2 ** Math.round(Math.log2(value)) === value;
}

/** Whole numbers of at most 63 bits are printed digit by digit, less the digits that the significand says nothing of. */
function exactDigits(value: number, { bits }: Format): Digits | null {
  if (value < 2 ** bits || value >= 2 ** 63 || !Number.isInteger(value)) return null;
  const beyond = exponentOf(value) - bits - 1;
  const cut = beyond > 1 ? Math.floor(beyond * Math.log10(2)) : 0;
  const power = 10n ** BigInt(cut);
  const rounded = (BigInt(value) + (cut === 0 ? 0n : power / 2n)) / power;
  const digits = rounded.toString();
  return { digits: digits.replace(/0+$/, ''), point: digits.length + cut };
}

/**
 * Digits one by one, until what is left is less than half the distance to the next number (for a power of two: half of that), or
 * so is what is missing to the next digit.
 */
function generated(value: number, format: Format): Digits {
  const exponent = Math.max(exponentOf(value) - format.bits + 1, format.least);
  const significand = BigInt(value / 2 ** exponent);
  // All in quarters of the significand's last bit.
  let left = significand * 4n;
  let margin = (significand & (significand - 1n)) === 0n ? 1n : 2n;
  let unit = 4n;
  if (exponent < 0) unit <<= BigInt(-exponent);
  else {
    left <<= BigInt(exponent);
    margin <<= BigInt(exponent);
  }
  let point = Math.floor(Math.log10(value)) + 1;
  const scale = 10n ** BigInt(Math.abs(point - 1));
  if (point > 0) unit *= scale;
  else {
    left *= scale;
    margin *= scale;
  }
  if (left >= unit * 10n) {
    unit *= 10n;
    point++;
  } else if (left < unit) {
    left *= 10n;
    margin *= 10n;
    point--;
  }
  let all = 0n;
  for (let count = 1; ; count++) {
    const digit = left / unit;
    left %= unit;
    all = all * 10n + digit;
    // With an exponent Java always gives a second digit.
    const ends = count > 1 || (point >= -3 && point < 8);
    const low = ends && left < margin;
    const high = ends && left + margin > unit;
    if (low || high) {
      const twice = left * 2n;
      const up = high && (!low || twice > unit || (twice === unit && digit % 2n === 1n));
      const digits = (up ? all + 1n : all).toString();
      return { digits: digits.replace(/0+$/, ''), point: point + digits.length - count };
    }
    left *= 10n;
    margin *= 10n;
  }
}

const scratch = new DataView(new ArrayBuffer(8));

/** Of two; of a float8 below the normal ones: any that is too small. */
function exponentOf(value: number): number {
  scratch.setFloat64(0, value);
  return ((scratch.getUint16(0) >> 4) & 0x7ff) - 1023;
}
