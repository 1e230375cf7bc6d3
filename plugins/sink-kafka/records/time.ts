import { jsonString } from './json.ts';

export type TimeMode =
  | 'adaptive'
  | 'adaptive_time_microseconds'
  | 'connect'
  | 'isostring'
  | 'microseconds'
  | 'nanoseconds';
type Unit = 'ms' | 'us' | 'ns';
const digitsOf: Readonly<Record<Unit, number>> = { ms: 3, us: 6, ns: 9 };

/** What Debezium writes for the infinities of timestamp. */
const positiveInfinity = '9223372036825200000';
const negativeInfinity = '-9223372036832400000';

/** Days since 1970-01-01 of a proleptic Gregorian date; year 0 is 1 BC. */
export function daysFromCivil(year: number, month: number, day: number): number {
  const y = month <= 2 ? year - 1 : year;
  const era = Math.floor(y / 400);
  const ofEra = y - era * 400;
  const ofYear = Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + day - 1;
  return era * 146097 + ofEra * 365 + Math.floor(ofEra / 4) - Math.floor(ofEra / 100) + ofYear - 719468;
}

function number(text: string, from: number, to: number): number {
  let n = 0;
  for (let i = from; i < to; i++) n = n * 10 + text.charCodeAt(i) - 48;
  return n;
}

/** Days of the date at the start of `YYYY…-MM-DD`; `bc`: the whole text ends so. */
function days(text: string, bc: boolean): number {
  const dash = text.indexOf('-', 4);
  const year = number(text, 0, dash);
  return daysFromCivil(bc ? 1 - year : year, number(text, dash + 1, dash + 3), number(text, dash + 4, dash + 6));
}

/** Whole seconds and fraction digits (up to six) of `HH:MM:SS.ffffff` from a position. */
function seconds(text: string, at: number): number {
  return number(text, at, at + 2) * 3600 + number(text, at + 3, at + 5) * 60 + number(text, at + 6, at + 8);
}
function fraction(text: string, at: number): string {
  if (text.charCodeAt(at + 8) !== 46) return '';
  let end = at + 9;
  while (end < text.length && text.charCodeAt(end) >= 48 && text.charCodeAt(end) <= 57) end++;
  return text.slice(at + 9, end);
}

/** Digits of `seconds` and a fraction in a unit, exact at any size. */
function inUnit(whole: number, fractionDigits: string, unit: Unit): string {
  const digits = digitsOf[unit];
  const rest = fractionDigits.slice(0, digits).padEnd(digits, '0');
  if (whole === 0) return String(Number(rest));
  if (whole > 0) return `${whole}${rest}`;
  return (BigInt(whole) * 10n ** BigInt(digits) + BigInt(rest)).toString();
}

export function dateEncoder(mode: TimeMode): (text: string) => string {
  if (mode === 'isostring') return (text) => (isInfinity(text) ? jsonString(text) : `"${isoDate(text)}Z"`);
  return (text) => {
    if (isInfinity(text)) return text.startsWith('-') ? '-2147483648' : '2147483647';
    return String(days(text, text.endsWith('BC')));
  };
}

export function timeEncoder(mode: TimeMode, typmod: number): (text: string) => string {
  if (mode === 'isostring') return (text) => `"${text}Z"`;
  const unit = mode === 'connect' || (mode === 'adaptive' && typmod >= 0 && typmod <= 3) ? 'ms' : unitOf(mode);
  return (text) => inUnit(seconds(text, 0), fraction(text, 0), unit);
}

function unitOf(mode: TimeMode): Unit {
  return mode === 'nanoseconds' ? 'ns' : 'us';
}

export function timestampEncoder(mode: TimeMode, typmod: number): (text: string) => string {
  if (mode === 'isostring') return (text) => (isInfinity(text) ? jsonString(text) : `"${isoTimestamp(text)}Z"`);
  const adaptive = mode === 'adaptive' || mode === 'adaptive_time_microseconds';
  const unit: Unit = mode === 'connect' || (adaptive && typmod >= 0 && typmod <= 3) ? 'ms' : unitOf(mode);
  return (text) => {
    if (isInfinity(text)) return text.startsWith('-') ? negativeInfinity : positiveInfinity;
    const space = text.indexOf(' ');
    const whole = days(text, text.endsWith('BC')) * 86400 + seconds(text, space + 1);
    return inUnit(whole, fraction(text, space + 1), unit);
  };
}

/** Exactly as many fraction digits as the column's precision (plain timestamptz: 6), in UTC as the session prints it. */
export function timestamptzEncoder(typmod: number): (text: string) => string {
  const digits = typmod < 0 ? 6 : typmod;
  return (text) => {
    if (isInfinity(text)) return `"${text}"`;
    const space = text.indexOf(' ');
    const rest = digits === 0 ? '' : `.${fraction(text, space + 1).padEnd(digits, '0')}`;
    return `"${isoDate(text.slice(0, space) + (text.endsWith('BC') ? ' BC' : ''))}T${text.slice(space + 1, space + 9)}${rest}Z"`;
  };
}

/** `10:11:12.5+02` as the same moment in GMT: `08:11:12.5Z`. */
export function timetz(text: string): string {
  const sign = Math.max(text.lastIndexOf('+'), text.lastIndexOf('-'));
  const zone = text
    .slice(sign + 1)
    .split(':')
    .map(Number);
  const offset = ((zone[0] ?? 0) * 3600 + (zone[1] ?? 0) * 60 + (zone[2] ?? 0)) * (text[sign] === '-' ? -1 : 1);
  const utc = (((seconds(text, 0) - offset) % 86400) + 86400) % 86400;
  const two = (n: number) => String(Math.floor(n)).padStart(2, '0');
  const rest = fraction(text, 0);
  return `"${two(utc / 3600)}:${two((utc / 60) % 60)}:${two(utc % 60)}${rest === '' ? '' : `.${rest}`}Z"`;
}

function isInfinity(text: string): boolean {
  return text === 'infinity' || text === '-infinity';
}

/** ISO-8601 as Java prints it: a sign and more digits outside the years 0000 to 9999. */
function isoDate(text: string): string {
  if (text.endsWith(' BC')) {
    const bare = text.slice(0, -3);
    const dash = bare.indexOf('-', 4);
    const year = 1 - Number(bare.slice(0, dash));
    return `${year < 0 ? '-' : ''}${String(-year).padStart(4, '0')}${bare.slice(dash)}`;
  }
  return text.indexOf('-', 4) > 4 ? `+${text}` : text;
}

function isoTimestamp(text: string): string {
  const bc = text.endsWith(' BC');
  const bare = bc ? text.slice(0, -3) : text;
  const space = bare.indexOf(' ');
  return `${isoDate(bare.slice(0, space) + (bc ? ' BC' : ''))}T${bare.slice(space + 1)}`;
}

const interval =
  /^(?:(-?\+?\d+) years? ?)?(?:([-+]?\d+) mons? ?)?(?:([-+]?\d+) days? ?)?(?:([-+]?)(\d+):(\d\d):(\d\d)(?:\.(\d+))?)?$/;

interface IntervalParts {
  readonly months: number;
  readonly days: number;
  readonly micros: bigint;
}

/** Reads IntervalStyle postgres: `1 year 2 mons -3 days +04:05:06.789`. */
export function parseInterval(text: string): IntervalParts | null {
  const match = interval.exec(text);
  if (match === null) return null;
  const [, years, mons, day, sign, h, min, s, rest] = match;
  const micros =
    (BigInt(h ?? 0) * 3600n + BigInt(min ?? 0) * 60n + BigInt(s ?? 0)) * 1_000_000n +
    BigInt((rest ?? '').padEnd(6, '0'));
  return {
    months: Number(years ?? 0) * 12 + Number(mons ?? 0),
    days: Number(day ?? 0),
    micros: sign === '-' ? -micros : micros,
  };
}

/** Microseconds, a month being a twelfth of 365.25 days; or an ISO-8601 period. */
export function intervalEncoder(mode: 'numeric' | 'string'): (text: string) => string {
  return (text) => {
    const parts = parseInterval(text);
    // infinity (PostgreSQL 17): no number stands for it.
    if (parts === null) return text.startsWith('-') ? negativeInfinity : positiveInfinity;
    const { months, days: day, micros } = parts;
    if (mode === 'numeric') {
      return (BigInt(months) * 2_629_800_000_000n + BigInt(day) * 86_400_000_000n + micros).toString();
    }
    const hours = micros / 3_600_000_000n;
    const minutes = (micros / 60_000_000n) % 60n;
    const left = micros % 60_000_000n;
    const magnitude = left < 0n ? -left : left;
    const tail = (magnitude % 1_000_000n).toString().padStart(6, '0').replace(/0+$/, '');
    const second = `${left < 0n ? '-' : ''}${magnitude / 1_000_000n}${tail === '' ? '' : `.${tail}`}`;
    return `"P${Math.trunc(months / 12)}Y${months % 12}M${day}DT${hours}H${minutes}M${second}S"`;
  };
}
