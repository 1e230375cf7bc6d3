import type { ByteWriter, Bytes } from '../../../core/base/byte-writer.ts';
import type { ConnectSchema, Field } from './connect-schema.ts';
import { nullFirst } from './avro-schema.ts';
import { JsonCursor, putBase64 } from './json-cursor.ts';
import { memberLength, putDouble, putFloat, putVarint, refuseList, refuseNull } from './wire-values.ts';
import type { PartCodec } from './record-codec.ts';

/** Moves one value from JSON into Avro's binary encoding (specification: "Binary encoding"). */
type Move = (from: JsonCursor, to: ByteWriter) => void;

/** Confluent's frame: a zero byte and the schema's id, then the value. */
export function avroCodec(schema: ConnectSchema, id: number): PartCodec {
  const move = valueMove({ ...schema, optional: false }, 'the record');
  const cursor = new JsonCursor();
  const head = Buffer.alloc(5);
  head.writeUInt32BE(id, 1);
  return {
    encode(to: ByteWriter, from: Bytes, start: number) {
      to.raw(head);
      cursor.load(from, start);
      move(cursor, to);
    },
  };
}

function moveOf(schema: ConnectSchema, name: string): Move {
  const move = valueMove(schema, name);
  if (schema.optional !== true) return (from, to) => (from.isNull() ? refuseNull(name) : move(from, to));
  const first = nullFirst(schema);
  const [absent, present] = first ? [0, 2] : [2, 0];
  return (from, to) => {
    if (from.isNull()) return to.byte(absent);
    to.byte(present);
    move(from, to);
  };
}

function valueMove(schema: ConnectSchema, name: string): Move {
  switch (schema.type) {
    case 'boolean':
      return (from, to) => to.byte(from.boolean() ? 1 : 0);
    case 'int8':
    case 'int16':
    case 'int32':
    case 'int64':
      return (from, to) => putLong(to, from.integer());
    case 'float':
      return (from, to) => putFloat(to, from.number());
    case 'double':
      return (from, to) => putDouble(to, from.number());
    case 'bytes':
      return moveBytes;
    case 'string':
      return moveString;
    case 'array':
      return blocks(arrayItem(moveOf(schema.items, `an array in ${name}`), name));
    case 'map':
      return mapMove(schema);
    case 'struct':
      return structMove(schema.fields);
    default:
      return schema satisfies never;
  }
}

/** Zigzag: small numbers of either sign take few bytes. */
function putLong(to: ByteWriter, value: number | bigint): void {
  if (typeof value === 'number') putVarint(to, value < 0 ? value * -2 - 1 : value * 2);
  else putVarint(to, value < 0n ? value * -2n - 1n : value * 2n);
}

const moveString: Move = (from, to) => {
  from.string();
  if (from.escaped) {
    const bytes = Buffer.from(from.content());
    putLong(to, bytes.length);
    return to.raw(bytes);
  }
  putLong(to, from.stop - from.start);
  to.copy(from.source, from.start, from.stop);
};

const moveBytes: Move = (from, to) => {
  from.string();
  const most = ((from.stop - from.start) * 3) >> 2;
  to.reserve(most + 12);
  // A length of its own size in front: where it turns out shorter, the bytes move.
  const begin = to.at;
  putLong(to, most);
  const guessed = to.at;
  const end = putBase64(to.bytes, guessed, from.bytes, from);
  const length = end - guessed;
  if (length !== most) {
    to.at = begin;
    putLong(to, length);
    if (to.at !== guessed) to.bytes.copyWithin(to.at, guessed, end);
  }
  to.at += length;
};

/** An array, or a map: its items in one block, whose count comes first. */
function blocks(item: Move): Move {
  return (from, to) => {
    const start = from.at;
    let count = 0;
    while (from.more()) {
      from.past();
      if (from.bytes[from.at] === 0x3a) {
        from.skip();
        from.past();
      }
      count++;
    }
    if (count > 0) {
      from.at = start;
      putLong(to, count);
      while (from.more()) item(from, to);
    }
    to.byte(0);
  };
}

function arrayItem(move: Move, name: string): Move {
  return (from, to) => {
    refuseList(from, name);
    move(from, to);
  };
}

function mapMove(schema: Extract<ConnectSchema, { type: 'map' }>): Move {
  const value = moveOf(schema.values, 'a map');
  const key = schema.keys.type === 'string' ? moveString : moveOf(schema.keys, 'a map');
  // JSON has an object where keys are strings, and else a list of pairs.
  const object = schema.keys.type === 'string';
  return blocks((from, to) => {
    if (!object) from.skip();
    key(from, to);
    from.skip();
    value(from, to);
    if (!object) from.skip();
  });
}

function structMove(fields: readonly Field[]): Move {
  const lengths = fields.map(({ name }) => memberLength(name));
  const moves = fields.map(({ name, schema }) => moveOf(schema, name));
  return (from, to) => {
    for (let i = 0; i < moves.length; i++) {
      from.member(lengths[i] as number);
      (moves[i] as Move)(from, to);
    }
    // A struct without fields is `{}`.
    if (moves.length === 0) from.skip();
    from.skip();
  };
}
