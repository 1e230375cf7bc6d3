import type { Expr } from '../expr.ts';
import type { Refusal } from '../table.ts';
import * as dt from '../values/datetime.ts';
import { dayOfWeek, dayOfYear, isoWeek } from './date-fields.ts';

interface Moment {
  readonly days: dt.Days;
  /** Microseconds since midnight. */
  readonly rest: number;
  readonly fields: dt.Fields;
}
type Part = (moment: Moment) => string;

const months = 'January February March April May June July August September October November December'.split(' ');
const weekdays = 'Sunday Monday Tuesday Wednesday Thursday Friday Saturday'.split(' ');
const pad = (n: number, width: number): string => String(n).padStart(width, '0');
const hour = ({ rest }: Moment): number => Math.floor(rest / 3_600_000_000);
const hour12 = (moment: Moment): number => hour(moment) % 12 || 12;
const shown = (year: number): number => (year > 0 ? year : 1 - year);
const month = (moment: Moment): string => months[moment.fields.month - 1] as string;
const weekday = (moment: Moment): string => weekdays[dayOfWeek(moment.days)] as string;
const halfDay = (moment: Moment): string => (hour(moment) < 12 ? 'AM' : 'PM');

/** Patterns whose output no locale changes (manual: "Template Patterns for Date/Time Formatting"); longest first. */
const numbers: readonly (readonly [string, Part])[] = [
  ['YYYY', ({ fields }) => pad(shown(fields.year), 4)],
  ['IYYY', ({ days }) => pad(shown(isoWeek(days).year), 4)],
  ['HH24', (moment) => pad(hour(moment), 2)],
  ['HH12', (moment) => pad(hour12(moment), 2)],
  ['DDD', ({ days }) => pad(dayOfYear(days), 3)],
  ['HH', (moment) => pad(hour12(moment), 2)],
  ['MM', ({ fields }) => pad(fields.month, 2)],
  ['DD', ({ fields }) => pad(fields.day, 2)],
  ['MI', ({ rest }) => pad(Math.floor(rest / 60_000_000) % 60, 2)],
  ['SS', ({ rest }) => pad(Math.floor(rest / 1_000_000) % 60, 2)],
  ['MS', ({ rest }) => pad(Math.floor(rest / 1000) % 1000, 3)],
  ['US', ({ rest }) => pad(rest % 1_000_000, 6)],
  ['IW', ({ days }) => pad(isoWeek(days).week, 2)],
  ['ID', ({ days }) => String(dayOfWeek(days) || 7)],
  ['Q', ({ fields }) => String(Math.floor((fields.month - 1) / 3) + 1)],
  ['D', ({ days }) => String(dayOfWeek(days) + 1)],
];
/** Names are English without the TM modifier; their case follows the pattern's. */
const names: readonly (readonly [string, Part])[] = [
  ['Month', (moment) => month(moment).padEnd(9)],
  ['Mon', (moment) => month(moment).slice(0, 3)],
  ['Day', (moment) => weekday(moment).padEnd(9)],
  ['Dy', (moment) => weekday(moment).slice(0, 3)],
];
const named: readonly (readonly [string, Part])[] = [
  ...names.flatMap(([name, part]): [string, Part][] => [
    [name, part],
    [name.toUpperCase(), (moment) => part(moment).toUpperCase()],
    [name.toLowerCase(), (moment) => part(moment).toLowerCase()],
  ]),
  ['AM', halfDay],
  ['PM', halfDay],
  ['am', (moment) => halfDay(moment).toLowerCase()],
  ['pm', (moment) => halfDay(moment).toLowerCase()],
];
export const toCharPatterns: readonly string[] = [...numbers, ...names].map(([name]) => name).concat('AM', 'PM');

/** The parts of a format, or the first part that is not supported. */
function parse(format: string): readonly Part[] | string {
  const parts: Part[] = [];
  const plain = (text: string): void => void parts.push(() => text);
  for (let at = 0; at < format.length; ) {
    const rest = format.slice(at);
    const quoted = /^"([^"\\]*)"/.exec(rest);
    if (quoted !== null) {
      plain(quoted[1] as string);
      at += quoted[0].length;
      continue;
    }
    if (/^ssss/i.test(rest)) return 'SSSS';
    const found =
      named.find(([name]) => rest.startsWith(name)) ??
      numbers.find(([name]) => rest.slice(0, name.length).toUpperCase() === name);
    if (found !== undefined) {
      parts.push(found[1]);
      at += found[0].length;
      continue;
    }
    const c = String.fromCodePoint(rest.codePointAt(0) as number);
    if (/[A-Za-z"\\]/.test(c)) return rest.slice(0, 4);
    plain(c);
    at += c.length;
  }
  return parts;
}

export function checkFormat([, format]: readonly Expr[]): Refusal | null {
  if (format?.op !== 'const' || format.text === null)
    return { code: 'PGS4107', message: 'the format of to_char must be a constant' };
  const parts = parse(format.text);
  if (typeof parts !== 'string') return null;
  return {
    code: 'PGS4107',
    message: `to_char: ${JSON.stringify(parts)} in the format is not supported; there are ${toCharPatterns.join(', ')}, and other letters go in double quotes`,
  };
}

let lastFormat: string | null = null;
let lastParts: readonly Part[] = [];
export function toChar(at: dt.Micros, format: string): string | null {
  if (dt.isForever(at) || format === '') return null;
  if (format !== lastFormat) {
    lastParts = parse(format) as readonly Part[];
    lastFormat = format;
  }
  const { days, rest } = dt.splitMicros(at);
  const moment: Moment = { days, rest, fields: dt.fieldsOf(days) };
  return lastParts.map((part) => part(moment)).join('');
}
