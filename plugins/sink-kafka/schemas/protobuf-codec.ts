import type { ByteWriter, Bytes } from '../../../core/base/byte-writer.ts';
import type { ConnectSchema, StructSchema } from './connect-schema.ts';
import { JsonCursor, putBase64 } from './json-cursor.ts';
import { fieldNumbers } from './protobuf-schema.ts';
import type { PartCodec } from './record-codec.ts';
import { memberLength, putDouble, putFloat, putVarint, refuseList, refuseNull } from './wire-values.ts';

/** Wire types (encoding guide: "Message Structure"). */
const [varint, fixed64, delimited, fixed32] = [0, 1, 2, 5];

/** Moves a value that is not null, without its tag. */
type Move = (from: JsonCursor, to: ByteWriter) => void;
interface Scalar {
  readonly wire: number;
  readonly move: Move;
}

/** Confluent's frame: a zero byte, the schema's id, and the place of the message in the file, which is the first; then the message. */
export function protobufCodec(schema: StructSchema, id: number): PartCodec {
  const move = structMove(schema);
  const cursor = new JsonCursor();
  const head = Buffer.alloc(6);
  head.writeUInt32BE(id, 1);
  return {
    encode(to: ByteWriter, from: Bytes, start: number) {
      to.raw(head);
      cursor.load(from, start);
      move(cursor, to);
    },
  };
}

function structMove({ fields }: StructSchema): Move {
  const numbers = fieldNumbers(fields);
  const moves = fields.map(({ name, schema }, i) => fieldMove(schema, numbers[i] as number, name));
  const lengths = fields.map(({ name }) => memberLength(name));
  const needed = fields.map(({ name, schema }) => (schema.optional === true ? null : name));
  return (from, to) => {
    for (let i = 0; i < moves.length; i++) {
      from.member(lengths[i] as number);
      if (!from.isNull()) (moves[i] as Move)(from, to);
      else if (needed[i] !== null) refuseNull(needed[i] as string);
    }
    if (moves.length === 0) from.skip();
    from.skip();
  };
}

/** With its tag. */
function fieldMove(schema: ConnectSchema, number: number, name: string): Move {
  if (schema.type === 'array') {
    const one = tagged(schema.items, number);
    return (from, to) => {
      while (from.more()) {
        if (from.isNull()) refuseNull(`an array in ${name}`);
        refuseList(from, name);
        one(from, to);
      }
    };
  }
  return schema.type === 'map' ? mapMove(schema, number) : tagged(schema, number);
}

function tagged(schema: ConnectSchema, number: number): Move {
  const { wire, move } = scalar(schema);
  const tag = number * 8 + wire;
  return (from, to) => {
    putVarint(to, tag);
    move(from, to);
  };
}

/** A map is a list of entries. */
function mapMove(schema: Extract<ConnectSchema, { type: 'map' }>, number: number): Move {
  const [key, value] = [tagged(schema.keys, 1), tagged(schema.values, 2)];
  // JSON has an object where keys are strings, and else a list of pairs.
  const object = schema.keys.type === 'string';
  const entry = prefixed((from, to) => {
    if (!object) from.skip();
    key(from, to);
    from.skip();
    // Of a NULL there is only the key.
    if (!from.isNull()) value(from, to);
    if (!object) from.skip();
  });
  return (from, to) => {
    while (from.more()) {
      putVarint(to, number * 8 + delimited);
      entry(from, to);
    }
  };
}

function scalar(schema: ConnectSchema): Scalar {
  const message = wellKnown(schema);
  if (message !== null) return { wire: delimited, move: prefixed(message) };
  switch (schema.type) {
    case 'boolean':
      return { wire: varint, move: (from, to) => to.byte(from.boolean() ? 1 : 0) };
    case 'int8':
    case 'int16':
    case 'int32':
    case 'int64':
      return { wire: varint, move: (from, to) => putInteger(to, from.integer()) };
    case 'float':
      return { wire: fixed32, move: (from, to) => putFloat(to, from.number()) };
    case 'double':
      return { wire: fixed64, move: (from, to) => putDouble(to, from.number()) };
    case 'bytes':
      return { wire: delimited, move: prefixed(moveBytes) };
    case 'string':
      return { wire: delimited, move: moveString };
    case 'struct':
      return { wire: delimited, move: prefixed(structMove(schema)) };
    default:
      throw new Error('no scalar');
  }
}

/** Negative ones as 64 bits. */
function putInteger(to: ByteWriter, value: number | bigint): void {
  putVarint(to, value < 0 ? BigInt.asUintN(64, BigInt(value)) : value);
}

const moveString: Move = (from, to) => {
  from.string();
  if (from.escaped) {
    const bytes = Buffer.from(from.content());
    putVarint(to, bytes.length);
    return to.raw(bytes);
  }
  putVarint(to, from.stop - from.start);
  to.copy(from.source, from.start, from.stop);
};

const moveBytes: Move = (from, to) => {
  from.string();
  to.reserve(from.stop - from.start);
  to.at = putBase64(to.bytes, to.at, from.bytes, from);
};

/** What is written gets its length in front; most are short, so one byte is left for it. */
function prefixed(move: Move): Move {
  return (from, to) => {
    to.reserve(10);
    const begin = to.at++;
    move(from, to);
    const end = to.at;
    const length = end - begin - 1;
    if (length < 0x80) {
      to.bytes[begin] = length;
      return;
    }
    const more = Math.ceil(Math.log2(length + 1) / 7) - 1;
    to.reserve(more);
    to.bytes.copyWithin(begin + 1 + more, begin + 1, end);
    to.at = begin;
    putVarint(to, length);
    to.at = end + more;
  };
}

/** Types that are messages of files that all know; see protobuf-schema.ts. */
function wellKnown({ name, parameters }: ConnectSchema): Move | null {
  switch (name) {
    case 'org.apache.kafka.connect.data.Decimal':
      return decimalMove(Number(parameters?.['scale']));
    case 'org.apache.kafka.connect.data.Date':
      return (from, to) => putFields(to, civilOf(Number(from.integer())));
    case 'org.apache.kafka.connect.data.Time':
      return (from, to) => {
        const ms = Number(from.integer());
        const parts = [Math.floor(ms / 3_600_000), Math.floor(ms / 60_000) % 60, Math.floor(ms / 1000) % 60];
        putFields(to, [...parts, (ms % 1000) * 1_000_000]);
      };
    case 'org.apache.kafka.connect.data.Timestamp':
      return (from, to) => {
        const ms = BigInt(from.integer());
        const rest = ((ms % 1000n) + 1000n) % 1000n;
        putFields(to, [(ms - rest) / 1000n, Number(rest) * 1_000_000]);
      };
    default:
      return null;
  }
}

/** Year, month and day of a count of days since 1970, of any size: see daysFromCivil. */
function civilOf(days: number): readonly number[] {
  const shifted = days + 719468;
  const era = Math.floor(shifted / 146097);
  const ofEra = shifted - era * 146097;
  const year = Math.floor(
    (ofEra - Math.floor(ofEra / 1460) + Math.floor(ofEra / 36524) - Math.floor(ofEra / 146096)) / 365,
  );
  const ofYear = ofEra - (365 * year + Math.floor(year / 4) - Math.floor(year / 100));
  const shiftedMonth = Math.floor((5 * ofYear + 2) / 153);
  const month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9;
  const day = ofYear - Math.floor((153 * shiftedMonth + 2) / 5) + 1;
  return [year + era * 400 + (month <= 2 ? 1 : 0), month, day];
}

/** Varint fields 1, 2, …; zero is what an absent one means. */
function putFields(to: ByteWriter, values: readonly (number | bigint)[]): void {
  values.forEach((value, i) => {
    if (Number(value) === 0) return;
    putVarint(to, (i + 1) * 8 + varint);
    putInteger(to, value);
  });
}

/** Precision is the count of the value's own digits, as BigDecimal has it. */
function decimalMove(scale: number): Move {
  return (from, to) => {
    const value = Buffer.from(from.text(), 'base64');
    putVarint(to, 8 + delimited);
    putVarint(to, value.length);
    to.raw(value);
    const unscaled = value.length === 0 ? 0n : BigInt.asIntN(value.length * 8, BigInt(`0x${value.toString('hex')}`));
    const digits = (unscaled < 0n ? -unscaled : unscaled).toString().length;
    putFields(to, [0, digits, scale]);
  };
}
