import { javaDouble } from './java-number.ts';
import { jsonString } from './json.ts';

/** Geometry types of WKB. */
const [wkbPoint, wkbLine, wkbPolygon] = [1, 2, 3];

type Pair = readonly [x: string, y: string];

/** `(1,2)` with its WKB: byte order 1 (little-endian), geometry type 1, two doubles. */
export function point(text: string): string {
  const [x = '0', y = '0'] = text.slice(1, -1).split(',');
  const wkb = Buffer.alloc(21);
  wkb.writeUInt8(1, 0);
  wkb.writeUInt32LE(wkbPoint, 1);
  writePairs(wkb, 5, [[x, y]]);
  return `{"x":${javaDouble(x)},"y":${javaDouble(y)},"wkb":"${wkb.toString('base64')}","srid":null}`;
}

/** `{A,B,C}` of line. */
export function line(text: string): string {
  const [a = '0', b = '0', c = '0'] = text.slice(1, -1).split(',');
  return `{"a":${javaDouble(a)},"b":${javaDouble(b)},"c":${javaDouble(c)}}`;
}

/** `<(x,y),r>` */
export function circle(text: string): string {
  const comma = text.lastIndexOf(',');
  return `{"center":${point(text.slice(1, comma))},"radius":${javaDouble(text.slice(comma + 1, -1))}}`;
}

export type GeometryKind = 'lseg' | 'box' | 'path' | 'polygon';

/** lseg and path as a line string, box and polygon as a closed ring; the extensions say which it was. */
export function shape(type: GeometryKind): (text: string) => string {
  return (text) => {
    const pairs = pairsOf(text);
    if (type === 'lseg') return geometryOf(lineString(pairs), { type });
    if (type === 'path') return geometryOf(lineString(pairs), { type, closed: String(text.startsWith('(')) });
    return geometryOf(ring(type === 'box' ? corners(pairs) : closed(pairs)), { type });
  };
}

/** What stands for a value of a NOT NULL column that was not sent: valid shapes of the unit square. */
export const shapeFallbacks: Readonly<Record<GeometryKind, string>> = {
  lseg: geometryOf(lineString(pairsOf('(0,0),(1,0)')), { type: 'lseg' }),
  box: geometryOf(ring(pairsOf('(0,0),(0,1),(1,1),(1,0),(0,0)')), { type: 'box' }),
  path: geometryOf(lineString(pairsOf('(0,0),(1,0)')), { type: 'path' }),
  polygon: geometryOf(ring(pairsOf('(0,0),(1,0),(0,1),(0,0)')), { type: 'polygon' }),
};

/** An empty geometry collection, in EWKB. */
export const emptyEwkb = '010700000000000000';

/** PostGIS prints EWKB in hex; flag 0x20000000 of the type says that an SRID follows. */
export function geometryEncoder(extensions: boolean): (text: string) => string {
  const end = extensions ? ',"extensions":null}' : '}';
  return (text) => {
    const wkb = Buffer.from(text, 'hex');
    if (wkb.length < 9) return 'null';
    const little = wkb[0] === 1;
    const type = little ? wkb.readUInt32LE(1) : wkb.readUInt32BE(1);
    const srid = (type & 0x20000000) === 0 ? null : little ? wkb.readInt32LE(5) : wkb.readInt32BE(5);
    return `{"wkb":"${wkb.toString('base64')}","srid":${srid}${end}`;
  };
}

function geometryOf(wkb: Buffer, extensions: Readonly<Record<string, string>>): string {
  const written = Object.entries(extensions).map(([name, value]) => `"${name}":${jsonString(value)}`);
  return `{"wkb":"${wkb.toString('base64')}","srid":null,"extensions":{${written.join(',')}}}`;
}

function pairsOf(text: string): readonly Pair[] {
  return [...text.matchAll(/\(([^(),]+),([^(),]+)\)/g)].map(([, x = '', y = '']) => [x, y] as const);
}

function corners(pairs: readonly Pair[]): readonly Pair[] {
  const [[x1, y1], [x2, y2]] = pairs as readonly [Pair, Pair];
  return [
    [x1, y1],
    [x1, y2],
    [x2, y2],
    [x2, y1],
    [x1, y1],
  ];
}

function closed(pairs: readonly Pair[]): readonly Pair[] {
  const [first, last] = [pairs[0], pairs.at(-1)];
  if (first === undefined || last === undefined || pairs.length < 2) return pairs;
  const same = Number(first[0]) === Number(last[0]) && Number(first[1]) === Number(last[1]);
  return same ? pairs : [...pairs, first];
}

function lineString(pairs: readonly Pair[]): Buffer {
  const wkb = Buffer.alloc(9 + pairs.length * 16);
  wkb.writeUInt8(1, 0);
  wkb.writeUInt32LE(wkbLine, 1);
  wkb.writeUInt32LE(pairs.length, 5);
  writePairs(wkb, 9, pairs);
  return wkb;
}

function ring(pairs: readonly Pair[]): Buffer {
  const wkb = Buffer.alloc(13 + pairs.length * 16);
  wkb.writeUInt8(1, 0);
  wkb.writeUInt32LE(wkbPolygon, 1);
  wkb.writeUInt32LE(1, 5);
  wkb.writeUInt32LE(pairs.length, 9);
  writePairs(wkb, 13, pairs);
  return wkb;
}

function writePairs(wkb: Buffer, at: number, pairs: readonly Pair[]): void {
  pairs.forEach(([x, y], i) => {
    wkb.writeDoubleLE(Number(x), at + i * 16);
    wkb.writeDoubleLE(Number(y), at + i * 16 + 8);
  });
}
