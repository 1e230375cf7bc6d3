import { oids } from '../../../core/postgres/oids.ts';
import type { ConnectSchema } from '../schemas/connect-schema.ts';
import { type Structure, structuredOf } from '../schemas/debezium-types.ts';
import { intervalParts } from './time.ts';

/*
 * `time: structured`: dates, times and intervals as structs of their parts, as Debezium 3.7 writes them. An infinite one has no parts,
 * but a name. Years are astronomical: 0 is 1 BC.
 */

interface Structured {
  readonly schema: ConnectSchema;
  readonly encode: (text: string) => string;
  readonly fallback: string;
}

const infinities: Readonly<Record<string, string>> = {
  infinity: 'POSITIVE_INFINITY',
  '-infinity': 'NEGATIVE_INFINITY',
};

/** What the server prints for date, time, timestamp and the types with a zone, whose session is in UTC. */
const printed =
  /^(?:(\d{4,})-(\d\d)-(\d\d))? ?(?:(\d\d):(\d\d):(\d\d)(?:\.(\d+))?)?(?:([-+]\d\d)(?::(\d\d))?(?::(\d\d))?)?( BC)?$/;

type Parts = Readonly<Record<string, number | string | null>>;

function dateParts(match: RegExpExecArray): Parts {
  const year = Number(match[1]);
  return { year: match[11] === undefined ? year : 1 - year, month: Number(match[2]), day: Number(match[3]) };
}

function timeParts(match: RegExpExecArray): Parts {
  const nanos = Number((match[7] ?? '').padEnd(9, '0'));
  return { hour: Number(match[4]), minute: Number(match[5]), second: Number(match[6]), nanos };
}

function offsetOf(match: RegExpExecArray): number {
  const sign = match[8]?.startsWith('-') === true ? -1 : 1;
  return Number(match[8] ?? 0) * 3600 + sign * (Number(match[9] ?? 0) * 60 + Number(match[10] ?? 0));
}

/** Digits of the fraction that a type modifier allows; those of intervals have the fields above them. */
const precisionOf = (typmod: number) => (typmod < 0 ? 6 : typmod & 0xffff);

const encoder = (partsOf: (match: RegExpExecArray) => Parts) => (text: string) => {
  const special = infinities[text];
  if (special === undefined) return JSON.stringify(partsOf(printed.exec(text)!));
  const none = Object.entries(partsOf(printed.exec('1970-01-01 00:00:00')!)).map(([name, value]) =>
    name === 'specialValue' ? [name, special] : [name, name === 'precision' ? value : null],
  );
  return JSON.stringify(Object.fromEntries(none));
};

/** Null: not a type of dates and times. */
export function structured(type: number, typmod: number): Structured | null {
  const precision = precisionOf(typmod);
  const of = (name: Structure, text: string, partsOf: (match: RegExpExecArray) => Parts): Structured => {
    const encode = encoder(partsOf);
    return { schema: structuredOf(name), encode, fallback: encode(text) };
  };
  switch (type) {
    case oids.date:
      return of('StructuredDate', '1970-01-01', (match) => ({ ...dateParts(match), specialValue: null }));
    case oids.time:
      return of('StructuredTime', '00:00:00', (match) => ({ ...timeParts(match), precision }));
    case oids.timetz:
      return of('StructuredZonedTime', '00:00:00+00', (match) => ({
        ...timeParts(match),
        offsetSeconds: offsetOf(match),
        precision,
      }));
    case oids.timestamp:
      return of('StructuredTimestamp', '1970-01-01 00:00:00', (match) => ({
        ...dateParts(match),
        ...timeParts(match),
        specialValue: null,
        precision,
      }));
    case oids.timestamptz: {
      const zoned = of('StructuredZonedTimestamp', '1970-01-01 00:00:00+00', (match) => ({
        ...dateParts(match),
        ...timeParts(match),
        offsetSeconds: 0,
        zoneId: 'Z',
        specialValue: null,
        precision,
      }));
      return { ...zoned, fallback: zoned.fallback.replace('"zoneId":"Z"', '"zoneId":null') };
    }
    case oids.interval: {
      const encode = (text: string) => intervalStruct(text, precision);
      return { schema: structuredOf('StructuredDuration'), encode, fallback: encode('00:00:00') };
    }
    default:
      return null;
  }
}

const [mostHours, leastHours] = [2 ** 31 - 1, -(2 ** 31)];

function intervalStruct(text: string, precision: number): string {
  const { years, months, days, hours, minutes, seconds, micros } = intervalParts(text);
  // Hours are an int32; what is beyond them is told in seconds, which are an int64.
  const whole = Math.max(leastHours, Math.min(mostHours, hours));
  return JSON.stringify({
    years,
    months,
    days,
    hours: whole,
    minutes,
    seconds: seconds + (hours - whole) * 3600,
    nanos: micros * 1000,
    precision,
  });
}
