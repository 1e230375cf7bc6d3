import { fieldsOf } from '../../../core/base/calendar.ts';

/** Dates and times as PostgreSQL prints them (DateStyle ISO), from counts since 1970-01-01 and from ISO-8601 as Java prints it. */

const two = (n: number | bigint) => String(n).padStart(2, '0');

/** Proleptic Gregorian date of a number of days; the year before 1 is 1 BC. */
export function dateText(days: number): string {
  const { date, bc } = civil(days);
  return bc ? `${date} BC` : date;
}

/** `digits`: of a second that the count has, 3, 6 or 9. More than six are more than PostgreSQL keeps. */
export function timeText(count: bigint, digits: number): string {
  const unit = 10n ** BigInt(digits);
  const [whole, rest] = [count / unit, count % unit];
  const fraction = rest === 0n ? '' : `.${String(rest).padStart(digits, '0').replace(/0+$/, '')}`;
  return `${two(whole / 3600n)}:${two((whole / 60n) % 60n)}:${two(whole % 60n)}${fraction}`;
}

export function timestampText(count: bigint, digits: number): string {
  const day = 86_400n * 10n ** BigInt(digits);
  const rest = ((count % day) + day) % day;
  const { date, bc } = civil(Number((count - rest) / day));
  return `${date} ${timeText(rest, digits)}${bc ? ' BC' : ''}`;
}

const iso = /^([+-]?)(\d{4,})-(\d\d-\d\d)(?:T([\d:]+)(?:\.(\d+))?)?(Z?)$/;

/** Null: no date or moment of ISO-8601 in UTC. `zone`: what stands behind the time. */
export function fromIso(text: string, zone: '' | '+00'): string | null {
  const match = iso.exec(text);
  if (match === null) return null;
  const [, sign, digits = '', date, time, fraction = ''] = match;
  const year = (sign === '-' ? -1 : 1) * Number(digits);
  const shown = String(year > 0 ? year : 1 - year).padStart(4, '0');
  const kept = fraction.replace(/0+$/, '');
  const clock = time === undefined ? '' : ` ${time}${kept === '' ? '' : `.${kept}`}${zone}`;
  return `${shown}-${date}${clock}${year > 0 ? '' : ' BC'}`;
}

function civil(days: number): { readonly date: string; readonly bc: boolean } {
  const { year, month, day } = fieldsOf(days);
  const shown = String(year > 0 ? year : 1 - year).padStart(4, '0');
  return { date: `${shown}-${two(month)}-${two(day)}`, bc: year <= 0 };
}
