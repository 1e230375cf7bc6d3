import { dataError } from '../errors.ts';
import { compareDecimal, decodeDecimal, encodeDecimal, parseDecimal } from './decimal.ts';

/** jsonb. Numbers keep their canonical numeric text. Keys of an object are unique, in the server's order. */
export type Json = JsonNull | boolean | string | JsonNumber | readonly Json[] | JsonObject;
/** JSON's null, which is not SQL's. */
export class JsonNull {
  readonly json = null;
}
export const JSON_NULL = new JsonNull();
export class JsonNumber {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}
export class JsonObject {
  readonly entries: ReadonlyMap<string, Json>;
  constructor(entries: ReadonlyMap<string, Json>) {
    this.entries = entries;
  }
}

const invalid = () => dataError('22P02', 'invalid input syntax for type json');

/** jsonb_in, and the reading of jsonb's own output. Recursion is bounded by depth, not by luck. */
export function parseJson(text: string): Json {
  const reader = new Reader(text);
  const value = reader.value(0);
  reader.space();
  if (reader.at !== text.length) throw invalid();
  return value;
}

const numberForm = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
// oxlint-disable-next-line no-control-regex
const plainForm = /[^"\\\u0000-\u001f]*/y;
const escapes: Readonly<Record<string, string>> = {
  '"': '"',
  '\\': '\\',
  '/': '/',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
};

class Reader {
  readonly text: string;
  at = 0;
  constructor(text: string) {
    this.text = text;
  }
  space(): void {
    for (;;) {
      const c = this.text.charCodeAt(this.at);
      if (c !== 32 && c !== 10 && c !== 13 && c !== 9) return;
      this.at++;
    }
  }
  value(depth: number): Json {
    if (depth > 2000) throw dataError('54001', 'json nested too deeply');
    this.space();
    const c = this.text[this.at];
    if (c === '{') return this.object(depth);
    if (c === '[') return this.array(depth);
    if (c === '"') return this.string();
    for (const [word, value] of literals) {
      if (this.text.startsWith(word, this.at)) {
        this.at += word.length;
        this.endOfWord();
        return value;
      }
    }
    numberForm.lastIndex = this.at;
    const match = numberForm.exec(this.text);
    if (match === null) throw invalid();
    this.at += match[0].length;
    this.endOfWord();
    return new JsonNumber(canonical(match[0]));
  }
  endOfWord(): void {
    const c = this.text.charCodeAt(this.at);
    if ((c >= 48 && c <= 57) || (c >= 65 && c <= 90) || (c >= 97 && c <= 122) || c === 95 || c === 46 || c >= 128) {
      throw invalid();
    }
  }
  object(depth: number): Json {
    const entries: [string, Json][] = [];
    this.at++;
    this.space();
    if (this.text[this.at] === '}') {
      this.at++;
      return new JsonObject(new Map());
    }
    for (;;) {
      this.space();
      if (this.text[this.at] !== '"') throw invalid();
      const key = this.string();
      this.space();
      if (this.text[this.at++] !== ':') throw invalid();
      entries.push([key, this.value(depth + 1)]);
      this.space();
      const c = this.text[this.at++];
      if (c === '}') return ordered(entries);
      if (c !== ',') throw invalid();
    }
  }
  array(depth: number): Json {
    const items: Json[] = [];
    this.at++;
    this.space();
    if (this.text[this.at] === ']') {
      this.at++;
      return items;
    }
    for (;;) {
      items.push(this.value(depth + 1));
      this.space();
      const c = this.text[this.at++];
      if (c === ']') return items;
      if (c !== ',') throw invalid();
    }
  }
  string(): string {
    this.at++;
    let out = '';
    for (;;) {
      plainForm.lastIndex = this.at;
      const plain = plainForm.exec(this.text)?.[0] ?? '';
      out += plain;
      this.at += plain.length;
      const c = this.text[this.at++];
      if (c === '"') return out;
      if (c !== '\\') throw invalid();
      out += this.escape();
    }
  }
  escape(): string {
    const c = this.text[this.at++] ?? '';
    if (c !== 'u') {
      const plain = escapes[c];
      if (plain === undefined) throw invalid();
      return plain;
    }
    const unit = this.hex();
    if (unit === 0) throw dataError('22P05', 'unsupported Unicode escape sequence');
    if (unit >= 0xdc00 && unit <= 0xdfff) throw invalid();
    if (unit < 0xd800 || unit > 0xdbff) return String.fromCharCode(unit);
    if (this.text[this.at++] !== '\\' || this.text[this.at++] !== 'u') throw invalid();
    const low = this.hex();
    if (low < 0xdc00 || low > 0xdfff) throw invalid();
    return String.fromCharCode(unit, low);
  }
  hex(): number {
    const four = this.text.slice(this.at, this.at + 4);
    if (!/^[0-9a-fA-F]{4}$/.test(four)) throw invalid();
    this.at += 4;
    return Number.parseInt(four, 16);
  }
}
const literals: readonly (readonly [string, Json])[] = [
  ['null', JSON_NULL],
  ['true', true],
  ['false', false],
];

/** Numbers are numerics: exponents are written out, and there is no negative zero. */
function canonical(text: string): string {
  if (/^(?:0|-?[1-9]\d*)$/.test(text)) return text;
  return encodeDecimal(parseDecimal(text));
}

const byteLength = (text: string): number => Buffer.byteLength(text);
/** jsonb's order of keys: by length in bytes, then by bytes (lengthCompareJsonbStringValue). The last duplicate wins. */
function ordered(entries: [string, Json][]): JsonObject {
  const last = new Map(entries);
  const keys = [...last.keys()];
  let sorted = true;
  for (let i = 1; i < keys.length && sorted; i++) sorted = compareKeys(keys[i - 1] as string, keys[i] as string) < 0;
  if (sorted) return new JsonObject(last);
  return new JsonObject(new Map(keys.sort(compareKeys).map((key) => [key, last.get(key) as Json])));
}
function compareKeys(a: string, b: string): number {
  const byLength = byteLength(a) - byteLength(b);
  return byLength !== 0 ? byLength : Buffer.compare(Buffer.from(a), Buffer.from(b));
}

/** jsonb_out. */
export function printJson(value: Json): string {
  if (typeof value === 'string') return quoteJson(value);
  if (typeof value === 'boolean') return value ? 'true' : 'false';
  if (value instanceof JsonNumber) return value.text;
  if (value instanceof JsonNull) return 'null';
  if (value instanceof JsonObject) {
    return `{${[...value.entries].map(([key, item]) => `${quoteJson(key)}: ${printJson(item)}`).join(', ')}}`;
  }
  return `[${value.map(printJson).join(', ')}]`;
}
const short: Readonly<Record<string, string>> = {
  '\b': '\\b',
  '\f': '\\f',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '"': '\\"',
  '\\': '\\\\',
};
function quoteJson(text: string): string {
  // oxlint-disable-next-line no-control-regex
  return `"${text.replace(/["\\\u0000-\u001f]/g, (c) => short[c] ?? `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`)}"`;
}

/** What ->> gives: strings without quotes, JSON null as SQL NULL. */
export function jsonText(value: Json): string | null {
  return typeof value === 'string' ? value : value instanceof JsonNull ? null : printJson(value);
}

/** Equality as jsonb has it: numbers by value. */
export function equalJson(a: Json, b: Json): boolean {
  if (a instanceof JsonNumber) {
    if (!(b instanceof JsonNumber)) return false;
    return a.text === b.text || compareDecimal(decodeDecimal(a.text), decodeDecimal(b.text)) === 0;
  }
  if (isArray(a)) return isArray(b) && a.length === b.length && a.every((item, i) => equalJson(item, b[i] as Json));
  if (a instanceof JsonObject) {
    if (!(b instanceof JsonObject) || a.entries.size !== b.entries.size) return false;
    for (const [key, item] of a.entries) {
      const other = b.entries.get(key);
      if (other === undefined || !equalJson(item, other)) return false;
    }
    return true;
  }
  return a === b;
}
export function isArray(value: Json): value is readonly Json[] {
  return Array.isArray(value);
}

/** @> : every part of `b` is in `a` (manual: "jsonb Containment and Existence"). */
export function containsJson(a: Json, b: Json): boolean {
  if (isArray(a) && !isArray(b) && !(b instanceof JsonObject)) return a.some((item) => equalJson(item, b));
  return containsPart(a, b);
}
function containsPart(a: Json, b: Json): boolean {
  if (b instanceof JsonObject) {
    if (!(a instanceof JsonObject)) return false;
    for (const [key, item] of b.entries) {
      const own = a.entries.get(key);
      if (own === undefined || !containsPart(own, item)) return false;
    }
    return true;
  }
  if (isArray(b)) return isArray(a) && b.every((item) => a.some((own) => containsPart(own, item)));
  return !isArray(a) && !(a instanceof JsonObject) && equalJson(a, b);
}
