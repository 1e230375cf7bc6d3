import { firstUserOid, oids, oidsOf } from '../../../core/postgres/oids.ts';
import type { Column } from '../../../core/postgres/relation.ts';
import { kafkaError } from '../errors.ts';
import { type ConnectSchema, optional } from '../schemas/connect-schema.ts';
import * as schemas from '../schemas/debezium-types.ts';
import { arrayEncoder } from './array.ts';
import {
  type CellWriter,
  decimalTextWriter,
  decimalWriter,
  timestamptzWriter,
  viaText,
  writeAsIs,
  writeBool,
  writeQuoted,
  writeString,
} from './cell-writer.ts';
import {
  bigDecimal,
  type DecimalMode,
  decimalEncoder,
  type DecimalOptions,
  moneyEncoder,
  precisionOf,
  scaleOf,
} from './decimal.ts';
import {
  circle,
  emptyEwkb,
  geometryEncoder,
  line,
  point,
  shape,
  type GeometryKind,
  shapeFallbacks,
} from './geometry.ts';
import { instantHeader } from './header.ts';
import { hstoreEncoder } from './hstore.ts';
import { javaDouble, javaFloat } from './java-number.ts';
import { jsonString } from './json.ts';
import { arrayPlaceholder, binaryPlaceholder } from './placeholders.ts';
import { releases } from './releases.ts';
import { structured } from './structured.ts';
import { type BinaryMode, binaryEncoder, bits, oneBit, sparseVector, vectorEncoder } from './special.ts';
import {
  dateEncoder,
  intervalEncoder,
  type Phase,
  type TimeMode,
  timeEncoder,
  timestampEncoder,
  timestamptzEncoder,
  timetzEncoder,
} from './time.ts';
import { type Typed, typedOf } from './type-facts.ts';

export interface TypeModes {
  readonly decimal: DecimalMode;
  readonly time: TimeMode;
  readonly binary: BinaryMode;
  readonly interval: 'numeric' | 'string';
  readonly hstore: 'json' | 'map';
  readonly unknown: 'text' | 'omit' | 'error';
  /** NaN and the infinities under `decimal: precise`. */
  readonly notFinite: 'null' | 'error';
  /** What stands for a large value that the server did not send. */
  readonly unavailable: string;
  /** Names of special numbers as Java's enum has them (`NAN`). */
  readonly javaNames: boolean;
  /** The Debezium release whose form is followed: 307 for 3.7. */
  readonly version: number;
  readonly phase: Phase;
}

/** How the values of one column become JSON text. All members but the schema and the functions are JSON. */
export interface ColumnType {
  /** Of the values, as if the column were NOT NULL and had no default. */
  readonly schema: ConnectSchema;
  readonly encode: (text: string) => string;
  /** The same, from bytes to bytes. */
  readonly write: CellWriter;
  /** In place of a value that was not sent (I7). */
  readonly unavailable: string;
  /** What Debezium writes in a delete's `before` for a NOT NULL column that is not in the key and has no default. */
  readonly fallback: string;
  /** Debezium takes no default of its columns. */
  readonly noDefault?: true;
  /** In a header, where its form is not that of {@link headerText}. */
  readonly header?: (text: string) => string;
}

/** Types that are written as the server's text. */
// biome-ignore format: names read better in rows
const textual = oidsOf(
  'char', 'name', 'text', 'json', 'xml', 'cidr', 'macaddr', 'macaddr8', 'inet', 'bpchar', 'varchar', 'uuid', 'jsonb',
  'int4range', 'numrange', 'tsrange', 'tstzrange', 'daterange', 'int8range',
);
/** Of extensions. */
const textualNames = new Set(['citext', 'ltree', 'isbn']);
/** Types that Debezium leaves out, but that are plain text. */
// biome-ignore format: names read better in rows
const beyond = oidsOf(
  'tsvector', 'tsquery', 'jsonpath', 'int4multirange', 'nummultirange', 'tsmultirange', 'tstzmultirange',
  'datemultirange', 'int8multirange',
);
const beyondNames = new Set(['lquery', 'ltxtquery', 'issn', 'ean13', 'upc', 'ismn']);
/** Elements whose arrays Debezium leaves out, though it knows them by themselves: name, xml, point, money, interval, varbit. */
const loneOnly = oidsOf('name', 'xml', 'point', 'money', 'interval', 'varbit');

/** The mapping of a column; null: it is left out (`unknown_types: omit`). */
export function columnType(column: Column, modes: TypeModes): ColumnType | null {
  const typed = typedOf(column);
  const one = mapping(typed, modes);
  if (!typed.array) return one ?? unknown(column, modes);
  const strict = modes.unknown === 'omit';
  if (strict && (one === null || typed.kind === 'domain' || loneOnly.has(typed.type))) return null;
  if (one === null && typed.type !== 0) return unknown(column, modes);
  return arrayOf(one ?? text(modes), typed, modes);
}

/** Null: none. */
function mapping(typed: Typed, modes: TypeModes): ColumnType | null {
  const { type, kind, name } = typed;
  if (kind === 'enum') return text(modes, schemas.enumOf(typed.labels));
  const builtIn = scalar(typed, modes) ?? temporal(typed, modes) ?? special(typed, modes);
  if (builtIn !== null) return builtIn;
  if (modes.unknown === 'omit') return null;
  return beyond.has(type) || beyondNames.has(name) || kind === 'range' || kind === 'multirange' ? text(modes) : null;
}

function unknown(column: Column, modes: TypeModes): ColumnType | null {
  if (modes.unknown === 'omit') return null;
  if (modes.unknown === 'text') return text(modes);
  throw kafkaError('PGS5009', `column ${column.name} has type ${column.typeName}, which has no mapping`);
}

function text(modes: TypeModes, schema: ConnectSchema = schemas.plain.string): ColumnType {
  return { schema, encode: jsonString, write: writeString, unavailable: jsonString(modes.unavailable), fallback: '""' };
}

function of(
  schema: ConnectSchema,
  encode: (text: string) => string,
  { fallback, unavailable = 'null' }: { readonly fallback: string; readonly unavailable?: string },
): ColumnType {
  return { schema, encode, write: viaText(encode), fallback, unavailable };
}

/** With a way of its own from bytes to bytes. */
function direct(type: ColumnType, write: CellWriter): ColumnType {
  return { ...type, write };
}

const asIs = (value: string) => value;
const bool = (value: string) => (value === 't' ? 'true' : 'false');

function scalar(typed: Typed, modes: TypeModes): ColumnType | null {
  const { type, typmod } = typed;
  const { plain } = schemas;
  switch (type) {
    case oids.bool:
      return direct(of(plain.boolean, bool, { fallback: 'false' }), writeBool);
    case oids.int8:
    case oids.oid:
      return direct(of(plain.int64, asIs, { fallback: '0' }), writeAsIs);
    case oids.int2:
      return direct(of(plain.int16, asIs, { fallback: '0' }), writeAsIs);
    case oids.int4:
      return direct(of(plain.int32, asIs, { fallback: '0' }), writeAsIs);
    case oids.float4:
      return { ...of(plain.float, javaFloat, { fallback: '0.0' }), header: bare(javaFloat) };
    case oids.float8:
      return { ...of(plain.double, javaDouble, { fallback: '0.0' }), header: bare(javaDouble) };
    case oids.numeric:
      return numeric(typed, modes);
    case oids.money: {
      const encode = moneyEncoder(decimalOptions(modes));
      const money = of(ofMode(modes, schemas.decimalOf(2, null)), encode, { fallback: encode('0.00') });
      return { ...money, ...(modes.decimal === 'precise' ? { header: moneyHeader } : {}) };
    }
    case oids.bytea: {
      const schema = modes.binary === 'bytes' ? plain.bytes : plain.string;
      return of(schema, binaryEncoder(modes.binary), { fallback: '""', unavailable: binaryPlaceholder(modes) });
    }
    case oids.bit:
    case oids.varbit:
      if (typmod === 1) return of(plain.boolean, oneBit, { fallback: 'false' });
      return of(schemas.bitsOf(typmod < 0 ? unlimited : typmod), bits, { fallback: '""' });
    default:
      return null;
  }
}

/** The length of a varbit without one: Java's largest int. */
const unlimited = 2 ** 31 - 1;

/** Schema of a number of exact digits. */
function ofMode({ decimal }: TypeModes, precise: ConnectSchema): ConnectSchema {
  if (decimal === 'precise') return precise;
  return decimal === 'double' ? schemas.plain.double : schemas.plain.string;
}

/** Numbers that are no JSON numbers are strings there, and themselves in a header. */
function bare(encode: (text: string) => string): (text: string) => string {
  return (value) => encode(value).replaceAll('"', '');
}

function moneyHeader(value: string): string {
  const plain = moneyEncoder({ mode: 'string', notFinite: null, javaNames: false })(value);
  return bigDecimal(plain.slice(1, -1));
}

function decimalOptions({ decimal, notFinite, javaNames }: TypeModes): DecimalOptions {
  return { mode: decimal, notFinite: notFinite === 'null' ? 'null' : null, javaNames };
}

function numeric({ typmod, column }: Typed, modes: TypeModes): ColumnType {
  const scale = scaleOf(typmod);
  const encode = decimalEncoder(decimalOptions(modes), scale, column);
  const zero = scale !== null && scale > 0 ? `0.${'0'.repeat(scale)}` : '0';
  const precise = scale === null ? schemas.variableScaleDecimal : schemas.decimalOf(scale, precisionOf(typmod));
  const schema = ofMode(modes, precise);
  if (modes.decimal === 'double') return { ...of(schema, encode, { fallback: '0.0' }), header: bare(encode) };
  if (modes.decimal === 'string') {
    const written = of(schema, encode, { fallback: encode(zero), unavailable: jsonString(modes.unavailable) });
    return direct(written, modes.javaNames ? decimalTextWriter(encode) : writeQuoted);
  }
  const decimal = of(schema, encode, { fallback: encode(zero) });
  if (scale === null) return { ...decimal, noDefault: true };
  return { ...(scale >= 0 ? direct(decimal, decimalWriter(scale, encode)) : decimal), header: bigDecimal };
}

function temporal({ type, typmod, array }: Typed, modes: TypeModes): ColumnType | null {
  const { time, version } = modes;
  const parts = time === 'structured' ? structured(type, typmod) : null;
  if (parts !== null) return { ...of(parts.schema, parts.encode, parts), noDefault: true };
  const iso = time === 'isostring';
  const header = time === 'connect' ? instantHeader : null;
  const dated = (type: ColumnType, kind: 'date' | 'ms'): ColumnType =>
    header === null ? type : { ...type, header: (value) => header(type.encode(value), kind) };
  switch (type) {
    case oids.date: {
      // An array comes from the JDBC driver, in the stream, too.
      const encode = dateEncoder(time, array ? 'snapshot' : modes.phase, version);
      return dated(of(schemas.dateOf(time), encode, { fallback: iso ? '"1970-01-01Z"' : '0' }), 'date');
    }
    case oids.time: {
      const fallback = iso ? '"00:00:00Z"' : '0';
      return dated(of(schemas.timeOf(time, typmod), timeEncoder(time, typmod), { fallback }), 'ms');
    }
    case oids.timestamp: {
      const encode = timestampEncoder(time, typmod, version);
      const fallback = iso ? '"1970-01-01T00:00:00Z"' : '0';
      return dated(of(schemas.timestampOf(time, typmod), encode, { fallback }), 'ms');
    }
    case oids.timestamptz: {
      const encode = timestamptzEncoder(typmod);
      const zoned = of(schemas.zonedTimestamp, encode, { fallback: '"1970-01-01T00:00:00Z"' });
      return direct(zoned, timestamptzWriter(typmod, encode));
    }
    case oids.timetz:
      return of(schemas.zonedTime, timetzEncoder(version), { fallback: '"00:00:00Z"' });
    case oids.interval: {
      const numeric = modes.interval === 'numeric';
      const fallback = numeric ? '0' : '"P0Y0M0DT0H0M0S"';
      return of(numeric ? schemas.microDuration : schemas.isoInterval, intervalEncoder(modes.interval), { fallback });
    }
    default:
      return null;
  }
}

const shapes: ReadonlyMap<number, GeometryKind> = new Map([
  [601, 'lseg'],
  [602, 'path'],
  [603, 'box'],
  [604, 'polygon'],
]);

/** Textual types with a name in schemas. */
const namedTexts: ReadonlyMap<number, ConnectSchema> = new Map([
  [114, schemas.json],
  [142, schemas.xml],
  [2950, schemas.uuid],
  [3802, schemas.json],
]);

function special({ type, name, domain }: Typed, modes: TypeModes): ColumnType | null {
  const { version } = modes;
  if (textual.has(type)) return text(modes, namedTexts.get(type));
  if (textualNames.has(name) && (type >= firstUserOid || type === 0)) {
    return text(modes, name === 'ltree' ? schemas.ltree : undefined);
  }
  if (type === oids.tsvector && version >= releases.tsvector) return text(modes, schemas.tsvector);
  if (type === oids.point) return of(schemas.point, point, { fallback: point('(0,0)') });
  if (version >= releases.shapes) {
    const named = shapes.get(type);
    if (named !== undefined) {
      // Of a column like any other, while those of PostGIS are always optional.
      const schema = { ...schemas.geometryOf(version), optional: false };
      return of(schema, shape(named), { fallback: shapeFallbacks[named] });
    }
    if (type === oids.line) return of(schemas.line, line, { fallback: line('{0,1,0}') });
    if (type === oids.circle) return of(schemas.circle, circle, { fallback: circle('<(0,0),0>') });
  }
  return type !== 0 && type < firstUserOid ? null : ofExtension(name, domain, modes);
}

function ofExtension(name: string, domain: boolean, modes: TypeModes): ColumnType | null {
  const { unavailable, version } = modes;
  switch (name) {
    case 'geometry':
    case 'geography': {
      const encode = geometryEncoder(name === 'geometry' && version >= releases.shapes);
      const schema = name === 'geometry' ? schemas.geometryOf(version) : schemas.geography;
      return of(schema, encode, { fallback: encode(emptyEwkb) });
    }
    case 'hstore': {
      const encode = hstoreEncoder(modes.hstore);
      const quoted = jsonString(unavailable);
      const map = `{${quoted}:${quoted}}`;
      const asMap = modes.hstore === 'map';
      const more = { fallback: encode(''), unavailable: asMap ? map : domain ? quoted : jsonString(map) };
      return of(asMap ? schemas.hstoreMap : schemas.json, encode, more);
    }
    case 'vector':
      return of(schemas.doubleVector, vectorEncoder(javaDouble), { fallback: '[]' });
    case 'halfvec':
      return of(schemas.floatVector, vectorEncoder(javaFloat), { fallback: '[]' });
    case 'sparsevec':
      return of(schemas.sparseVector, sparseVector, { fallback: '{"dimensions":0,"vector":[]}' });
    default:
      return null;
  }
}

function arrayOf(element: ColumnType, typed: Typed, modes: TypeModes): ColumnType {
  const encode = arrayEncoder(element.encode, typed.delimiter);
  // Debezium says of labels and of tsvector alone that they are never null.
  const never = typed.kind === 'enum' || typed.type === oids.tsvector;
  const items = never ? element.schema : optional(element.schema);
  const more = { fallback: '[]', unavailable: arrayPlaceholder(typed, modes) };
  // PostgreSQL's JDBC driver cannot read such an array, and Debezium makes it null as a whole.
  const lost = typed.type === oids.numeric && modes.notFinite === 'null';
  const whole = lost ? (value: string) => (notFinite.test(value) ? 'null' : encode(value)) : encode;
  return of({ type: 'array', items }, whole, more);
}

const notFinite = /NaN|Infinity/;
