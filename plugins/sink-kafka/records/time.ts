import { releases } from './releases.ts';

export type TimeMode =
  | 'adaptive'
  | 'adaptive_time_microseconds'
  | 'connect'
  | 'isostring'
  | 'microseconds'
  | 'nanoseconds'
  | 'structured';
type Unit = 'ms' | 'us' | 'ns';
const digitsOf: Readonly<Record<Unit, number>> = { ms: 3, us: 6, ns: 9 };

/** Bounds of Java's long, which a number of microseconds stops at. */
const [most, least] = ['9223372036854775807', '-9223372036854775808'];
/** The infinities of timestamp as PostgreSQL's JDBC driver has them. */
const [driverMost, driverLeast] = ['9223372036825200000', '-9223372036832400000'];

/** What Debezium makes of an infinite value, by sign. */
interface Infinities {
  readonly positive: string;
  readonly negative: string;
}
const infinityOf = (text: string, { positive, negative }: Infinities) => (text.startsWith('-') ? negative : positive);

/** From where a date comes: what the JDBC driver makes of an infinite one in a SELECT differs from what is made of the stream's text. */
export type Phase = 'snapshot' | 'stream';
const infiniteDays: Readonly<Record<Phase, Infinities>> = {
  snapshot: { positive: '-622191234', negative: '-625821272' },
  stream: { positive: '2146033979', negative: '-2147472691' },
};
/** Days that ran over the end of an int32. */
const olderInfiniteDays: Infinities = { ...infiniteDays.stream, positive: '-2147472692' };
const infiniteDates: Readonly<Record<Phase, Infinities>> = {
  snapshot: { positive: '"+292278994-08-16Z"', negative: '"+292269055-12-02Z"' },
  stream: { positive: '"+5877611-06-21Z"', negative: '"-5877611-06-22Z"' },
};
const infiniteTimestamps: Infinities = {
  positive: '"+292278994-08-16T23:00:00Z"',
  negative: '"-292275055-05-16T23:00:00Z"',
};

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

/** Digits of `seconds` and a fraction in a unit: microseconds beyond a long are the largest or smallest one, nanoseconds are null. */
function inUnit(whole: number, fractionDigits: string, unit: Unit): string {
  const digits = digitsOf[unit];
  const rest = fractionDigits.slice(0, digits).padEnd(digits, '0');
  if (whole === 0) return String(Number(rest));
  const exact = whole > 0 ? `${whole}${rest}` : (BigInt(whole) * 10n ** BigInt(digits) + BigInt(rest)).toString();
  return withinLong(exact, unit === 'ns' ? 'null' : null);
}

/** The number itself where it is an int64; else `otherwise`, or (null) the nearest that is. */
function withinLong(digits: string, otherwise: string | null): string {
  if (digits.length < most.length) return digits;
  const value = BigInt(digits);
  if (value === BigInt.asIntN(64, value)) return digits;
  return otherwise ?? (value > 0n ? most : least);
}

export function dateEncoder(mode: TimeMode, phase: Phase, version: number): (text: string) => string {
  if (mode === 'isostring') {
    return (text) => (isInfinity(text) ? infinityOf(text, infiniteDates[phase]) : `"${isoDate(text)}Z"`);
  }
  const older = phase === 'stream' && version < releases.infinities;
  const infinities = older ? olderInfiniteDays : infiniteDays[phase];
  return (text) => {
    if (isInfinity(text)) return infinityOf(text, infinities);
    return String(days(text, text.endsWith('BC')));
  };
}

export function timeEncoder(mode: TimeMode, typmod: number): (text: string) => string {
  if (mode === 'isostring') return (text) => (text === '24:00:00' ? '"00:00:00Z"' : `"${text}Z"`);
  const unit = mode === 'connect' || (mode === 'adaptive' && typmod >= 0 && typmod <= 3) ? 'ms' : unitOf(mode);
  return (text) => inUnit(seconds(text, 0), fraction(text, 0), unit);
}

function unitOf(mode: TimeMode): Unit {
  return mode === 'nanoseconds' ? 'ns' : 'us';
}

export function timestampEncoder(mode: TimeMode, typmod: number, version: number): (text: string) => string {
  if (mode === 'isostring') {
    return (text) => (isInfinity(text) ? infinityOf(text, infiniteTimestamps) : `"${isoTimestamp(text)}Z"`);
  }
  const unit = timestampUnit(mode, typmod);
  const infinities = timestampInfinities(unit, version);
  return (text) => {
    if (isInfinity(text)) return infinityOf(text, infinities);
    const space = text.indexOf(' ');
    const whole = days(text, text.endsWith('BC')) * 86400 + seconds(text, space + 1);
    return inUnit(whole, fraction(text, space + 1), unit);
  };
}

function timestampInfinities(unit: Unit, version: number): Infinities {
  const older = version < releases.infinities;
  if (unit === 'ns' || (unit === 'us' && !older)) return { positive: most, negative: least };
  // Debezium took the driver's milliseconds for microseconds.
  if (unit === 'ms' && older) return { positive: driverMost.slice(0, -3), negative: driverLeast.slice(0, -3) };
  return { positive: driverMost, negative: driverLeast };
}

function timestampUnit(mode: TimeMode, typmod: number): Unit {
  const adaptive = mode === 'adaptive' || mode === 'adaptive_time_microseconds';
  return mode === 'connect' || (adaptive && typmod >= 0 && typmod <= 3) ? 'ms' : unitOf(mode);
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

/** `10:11:12.5+02` as the same moment in GMT: `08:11:12.5Z`. The end of a day in GMT stays one since Debezium 3.7. */
export function timetzEncoder(version: number): (text: string) => string {
  return (text) => {
    const sign = Math.max(text.lastIndexOf('+'), text.lastIndexOf('-'));
    const zone = text
      .slice(sign + 1)
      .split(':')
      .map(Number);
    const offset = ((zone[0] ?? 0) * 3600 + (zone[1] ?? 0) * 60 + (zone[2] ?? 0)) * (text[sign] === '-' ? -1 : 1);
    if (version >= releases.endOfDay && offset === 0 && text.startsWith('24:')) return '"24:00:00Z"';
    const utc = (((seconds(text, 0) - offset) % 86400) + 86400) % 86400;
    const two = (n: number) => String(Math.floor(n)).padStart(2, '0');
    const rest = fraction(text, 0);
    return `"${two(utc / 3600)}:${two((utc / 60) % 60)}:${two(utc % 60)}${rest === '' ? '' : `.${rest}`}Z"`;
  };
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
  /^(?:([-+]?\d+) years? ?)?(?:([-+]?\d+) mons? ?)?(?:([-+]?\d+) days? ?)?(?:([-+]?)(\d+):(\d\d):(\d\d(?:\.\d+)?))?$/;

const daysOfMonth = 365.25 / 12;

/** All parts of a sign that is theirs. */
interface IntervalParts {
  readonly years: number;
  readonly months: number;
  readonly days: number;
  readonly hours: number;
  readonly minutes: number;
  readonly seconds: number;
  readonly micros: number;
}

/** The largest interval, which `infinity` (PostgreSQL 17) is inside. */
const largest = '178956970 years 7 mons 2147483647 days 2562047788:00:54.775807';
const smallest = '-178956970 years -8 mons -2147483648 days -2562047788:00:54.775808';

/** Reads IntervalStyle postgres: `1 year 2 mons -3 days +04:05:06.789`. */
export function intervalParts(text: string): IntervalParts {
  const match = interval.exec(text) ?? interval.exec(text.startsWith('-') ? smallest : largest)!;
  const [years = 0, months = 0, days = 0] = [match[1], match[2], match[3]].map((part) => Number(part ?? 0));
  const sign = match[4] === '-' ? -1 : 1;
  const [whole = '0', fraction = ''] = (match[7] ?? '0').split('.');
  // Adding 0 makes -0 one.
  const [hours = 0, minutes = 0, seconds = 0, micros = 0] = [match[5], match[6], whole, fraction.padEnd(6, '0')].map(
    (part) => sign * Number(part ?? 0) + 0,
  );
  return { years, months, days, hours, minutes, seconds, micros };
}

/**
 * Microseconds, a month being a twelfth of 365.25 days; or an ISO-8601 period. Counts in floating-point numbers, in the order of Debezium's MicroDuration, as the result is cut and not rounded.
 */
export function intervalEncoder(mode: 'numeric' | 'string'): (text: string) => string {
  return (text) => {
    // infinity (PostgreSQL 17): no number stands for it.
    if (!interval.test(text)) return infinityOf(text, { positive: driverMost, negative: driverLeast });
    const { years, months, days, hours, minutes, seconds, micros } = intervalParts(text);
    const second = seconds + micros / 1e6;
    if (mode === 'string') return `"P${years}Y${months}M${days}DT${hours}H${minutes}M${plainSeconds(second)}S"`;
    const inDays = (years * 12 + months) * daysOfMonth + days;
    const inSeconds = ((inDays * 24 + hours) * 60 + minutes) * 60 + second;
    return withinLong(BigInt(Math.trunc(inSeconds * 1e6)).toString(), null);
  };
}

function plainSeconds(second: number): string {
  const fixed = second.toFixed(6).replace(/\.?0+$/, '');
  return fixed === '-0' || fixed === '' ? '0' : fixed;
}
