import { dataError, unsupportedForm } from '../errors.ts';
import { type Fields, daysOf, fieldsOf } from '../../base/calendar.ts';
import { trimSpace } from './decimal.ts';

export { type Fields, daysOf, fieldsOf };

/** Days since 1970-01-01 (date, ±Infinity too); microseconds since 1970-01-01 00:00 (timestamps, ± {@link FOREVER}). */
export type Days = number;
export type Micros = bigint;
export const FOREVER = 1n << 70n;
export const isForever = (at: Micros): boolean => at === FOREVER || at === -FOREVER;
export const DAY = 86_400_000_000n;

export function floorDiv(a: bigint, b: bigint): bigint {
  const q = a / b;
  return a % b < 0n ? q - 1n : q;
}
/** Day and microseconds within it. */
export function splitMicros(at: Micros): { days: Days; rest: number } {
  const days = floorDiv(at, DAY);
  return { days: Number(days), rest: Number(at - days * DAY) };
}

// Limits of the manual's table "Date/Time Types", as the server checks them.
const firstDay = daysOf(-4713, 11, 24);
const afterLastDate = daysOf(5_874_898, 1, 1);
const firstMicros = BigInt(firstDay) * DAY;
const afterLastMicros = BigInt(daysOf(294_277, 1, 1)) * DAY;
const overflow = (type: string) => dataError('22008', `${type} out of range`);
export function checkDays(days: Days): Days {
  if (Number.isFinite(days) && (days < firstDay || days >= afterLastDate)) throw overflow('date');
  return days;
}
export function checkMicros(at: Micros): Micros {
  if (!isForever(at) && (at < firstMicros || at >= afterLastMicros)) throw overflow('timestamp');
  return at;
}
export function dateToMicros(days: Days): Micros {
  if (!Number.isFinite(days)) return days > 0 ? FOREVER : -FOREVER;
  const at = BigInt(days) * DAY;
  if (at >= afterLastMicros) throw dataError('22008', 'date out of range for timestamp');
  return at;
}
export function microsToDate(at: Micros): Days {
  if (isForever(at)) return at > 0n ? Number.POSITIVE_INFINITY : Number.NEGATIVE_INFINITY;
  return Number(floorDiv(at, DAY));
}

const two = (n: number): string => (n < 10 ? `0${n}` : String(n));
function datePart({ year, month, day }: Fields): string {
  return `${String(year > 0 ? year : 1 - year).padStart(4, '0')}-${two(month)}-${two(day)}`;
}
export function encodeDate(days: Days): string {
  if (!Number.isFinite(days)) return days > 0 ? 'infinity' : '-infinity';
  const fields = fieldsOf(days);
  return datePart(fields) + (fields.year > 0 ? '' : ' BC');
}
function encodeMicros(at: Micros, zone: string): string {
  if (isForever(at)) return at > 0n ? 'infinity' : '-infinity';
  const { days, rest } = splitMicros(at);
  const fields = fieldsOf(days);
  const seconds = Math.floor(rest / 1_000_000);
  const micros = rest % 1_000_000;
  const fraction = micros === 0 ? '' : `.${String(micros).padStart(6, '0').replace(/0+$/, '')}`;
  const time = `${two(Math.floor(seconds / 3600))}:${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`;
  return `${datePart(fields)} ${time}${fraction}${zone}${fields.year > 0 ? '' : ' BC'}`;
}
export const encodeTimestamp = (at: Micros): string => encodeMicros(at, '');
/** As a session with TimeZone UTC prints it. */
export const encodeTimestamptz = (at: Micros): string => encodeMicros(at, '+00');

const digits = (text: string, from: number, to: number): number => {
  let n = 0;
  for (let i = from; i < to; i++) n = n * 10 + text.charCodeAt(i) - 48;
  return n;
};
/** The server's own output; four-digit years without regular expressions, as that is every row. */
export function decodeDate(text: string): Days {
  if (text.length === 10 && text.charCodeAt(4) === 45) {
    return daysOf(digits(text, 0, 4), digits(text, 5, 7), digits(text, 8, 10));
  }
  return parseDate(text);
}
export function decodeTimestamp(text: string): Micros {
  return text.charCodeAt(10) === 32 && text.charCodeAt(4) === 45 && text.charCodeAt(text.length - 1) !== 67
    ? decodePlain(text, text.length)
    : parseTimestamp(text);
}
export function decodeTimestamptz(text: string): Micros {
  const last = text.length - 3;
  return text.charCodeAt(10) === 32 && text.charCodeAt(4) === 45 && text.charCodeAt(last) === 43
    ? decodePlain(text, last) - BigInt(digits(text, last + 1, last + 3)) * 3_600_000_000n
    : parseTimestamptz(text);
}
function decodePlain(text: string, end: number): Micros {
  const days = daysOf(digits(text, 0, 4), digits(text, 5, 7), digits(text, 8, 10));
  const seconds = days * 86_400 + digits(text, 11, 13) * 3600 + digits(text, 14, 16) * 60 + digits(text, 17, 19);
  if (end === 19) return BigInt(seconds) * 1_000_000n;
  const micros = digits(text, 20, end) * 10 ** (26 - end);
  const whole = seconds * 1_000_000 + micros;
  return Number.isSafeInteger(whole) ? BigInt(whole) : BigInt(seconds) * 1_000_000n + BigInt(micros);
}

const dateForm = /^(\d{4,7})-(\d{1,2})-(\d{1,2})(?:[ T](\d{1,2}):(\d{2})(?::(\d{2})(?:\.(\d{1,6}))?)?)?/;
const zoneForm = /^ ?(?:([+-])(\d{2})(?::?(\d{2}))?(?::?(\d{2}))?|(Z|UTC|GMT))?/i;
interface Parsed {
  readonly days: Days;
  readonly micros: bigint;
  readonly zone: bigint | null;
  readonly timed: boolean;
}

/**
 * ISO 8601 only; other forms depend on DateStyle or are words such as `yesterday`, so they are refused, not guessed.
 */
function parseIso(text: string, type: string): Parsed {
  const match = dateForm.exec(text);
  if (match === null) throw unsupportedForm(`text cast to ${type} that is not ISO 8601`);
  const timed = match[4] !== undefined;
  let rest = text.slice(match[0].length);
  let zone: bigint | null = null;
  const zoned = timed ? zoneForm.exec(rest) : null;
  if (zoned !== null && (zoned[1] !== undefined || zoned[5] !== undefined)) {
    rest = rest.slice(zoned[0].length);
    const seconds = Number(zoned[2] ?? 0) * 3600 + Number(zoned[3] ?? 0) * 60 + Number(zoned[4] ?? 0);
    if (Number(zoned[2] ?? 0) > 15 || Number(zoned[3] ?? 0) > 59 || Number(zoned[4] ?? 0) > 59) {
      throw dataError('22009', 'time zone displacement out of range');
    }
    zone = BigInt(zoned[1] === '-' ? -seconds : seconds) * 1_000_000n;
  }
  const bc = /^ BC$/i.test(rest);
  if (rest !== '' && !bc) throw unsupportedForm(`text cast to ${type} that is not ISO 8601`);
  const [year, month, day] = [Number(match[1]), Number(match[2]), Number(match[3])];
  const [hour, minute, second] = [Number(match[4] ?? 0), Number(match[5] ?? 0), Number(match[6] ?? 0)];
  const wrong = () => dataError('22008', `date/time field value out of range for type ${type}`);
  if (year === 0 || month < 1 || month > 12 || day < 1 || day > 31) throw wrong();
  const astronomical = bc ? 1 - year : year;
  const days = daysOf(astronomical, month, day);
  if (fieldsOf(days).day !== day || hour > 24 || minute > 59 || second > 60) throw wrong();
  if (hour === 24 || second === 60) throw unsupportedForm(`text cast to ${type} with hour 24 or second 60`);
  const micros = BigInt((hour * 60 + minute) * 60 + second) * 1_000_000n + BigInt((match[7] ?? '').padEnd(6, '0'));
  return { days, micros, zone, timed };
}

const words = /^(-?)infinity$/i;
/** date_in, ISO forms. A time of day is checked and dropped, as the server does. */
export function parseDate(input: string): Days {
  const text = trimSpace(input);
  const word = words.exec(text);
  if (word !== null) return word[1] === '-' ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
  return checkDays(parseIso(text, 'date').days);
}
/** timestamp_in, ISO forms without a zone (the server would drop one silently). */
export function parseTimestamp(input: string): Micros {
  const text = trimSpace(input);
  const word = words.exec(text);
  if (word !== null) return word[1] === '-' ? -FOREVER : FOREVER;
  const { days, micros, zone } = parseIso(text, 'timestamp');
  if (zone !== null) throw unsupportedForm('text with a time zone cast to timestamp without time zone');
  return checkMicros(BigInt(days) * DAY + micros);
}
/** timestamptz_in in a session with TimeZone UTC, ISO forms. */
export function parseTimestamptz(input: string): Micros {
  const text = trimSpace(input);
  const word = words.exec(text);
  if (word !== null) return word[1] === '-' ? -FOREVER : FOREVER;
  const { days, micros, zone } = parseIso(text, 'timestamp with time zone');
  return checkMicros(BigInt(days) * DAY + micros - (zone ?? 0n));
}

/** timestamp(p): rounds to p digits of the second, half away from zero since 2000-01-01 (AdjustTimestampForTypmod). */
export function roundMicros(at: Micros, typmod: number): Micros {
  if (typmod < 0 || typmod >= 6 || isForever(at)) return at;
  const unit = 10n ** BigInt(6 - typmod);
  const epoch = 946_684_800_000_000n;
  const since = at - epoch;
  const rounded = since >= 0n ? ((since + unit / 2n) / unit) * unit : -((-since + unit / 2n) / unit) * unit;
  return rounded + epoch;
}
