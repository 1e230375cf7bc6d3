import { type Document, LineCounter, isAlias, isMap, isScalar, isSeq, type Node, type Pair, parseDocument } from 'yaml';
import type { ConfigCode } from './errors.ts';
import { interpolate } from './interpolate.ts';
import type { Position } from './problem.ts';

/** A problem without its file name. */
export interface TreeProblem extends Position {
  readonly code: string;
  readonly message: string;
}

interface Place {
  /** Offset of the value in the text; of the key, where it has one. */
  readonly value: number;
  readonly end: number;
  readonly key: number | null;
}

/**
 * A YAML document as plain values, with the place of each value by JSON pointer (RFC 6901), and `${…}` replaced inside
 * scalars.
 */
export class YamlTree {
  readonly value: unknown;
  /** Problems found before any schema was applied, in order of appearance. */
  readonly problems: readonly TreeProblem[];
  /** False: the text is so broken that `value` is meaningless. */
  readonly readable: boolean;
  readonly #text: string;
  readonly #lines = new LineCounter();
  readonly #places = new Map<string, Place>();
  readonly #replaced = new Set<string>();
  readonly #broken = new Set<string>();
  readonly #secrets = new Map<string, string>();
  readonly #found: TreeProblem[] = [];
  readonly #env: NodeJS.ProcessEnv;
  readonly #directory: string;

  constructor(text: string, env: NodeJS.ProcessEnv, directory: string) {
    this.#text = text;
    this.#env = env;
    this.#directory = directory;
    const document = parseDocument(text, { lineCounter: this.#lines, prettyErrors: false, version: '1.2' });
    this.readable = this.#syntax(document);
    this.value = this.readable && document.contents !== null ? this.#convert(document.contents, '', document, 0) : null;
    this.problems = this.#found;
  }

  /** The value came through `${…}`: a string that may stand for a number, and that must not be shown. */
  interpolated(pointer: string): boolean {
    return this.#replaced.has(pointer);
  }

  /** A reference in the value failed and is reported; schema errors about the value are noise. */
  broken(pointer: string): boolean {
    return this.#broken.has(pointer);
  }

  /** Where a value starts; where the nearest enclosing value starts, if the value is not in the file (a default). */
  valueAt(pointer: string): Position {
    return this.#position(this.#nearest(pointer)?.value ?? 0);
  }

  /** Where the key of a value starts; the value itself for an item of a list. */
  keyAt(pointer: string): Position {
    const place = this.#nearest(pointer);
    return this.#position(place?.key ?? place?.value ?? 0);
  }

  /** Line and column of the file for a line and column within a scalar's text; its start, where escapes or `${…}` moved them. */
  within(pointer: string, line: number, column: number): Position {
    const place = this.#places.get(pointer);
    if (place === undefined || this.#replaced.has(pointer)) return this.valueAt(pointer);
    const value = this.#valueOf(pointer);
    if (typeof value !== 'string') return this.valueAt(pointer);
    const lines = value.split('\n');
    let at = place.value;
    for (const [index, content] of lines.entries()) {
      const found = this.#text.indexOf(content, at);
      if (found === -1 || found > place.end) break;
      if (index === line - 1) return this.#position(found + Math.min(column - 1, content.length));
      at = found + content.length;
    }
    return this.valueAt(pointer);
  }

  /** The text with every value that came through `${…}` replaced by its reference (I11). */
  scrub(text: string): string {
    let result = text;
    for (const [secret, reference] of this.#secrets)
      if (secret.length >= 3) result = result.replaceAll(secret, reference);
    return result;
  }

  /** As it is written in the file. */
  #keyAt(start: number): string {
    return /^("(?:[^"\\]|\\.)*"|'[^']*'|[^\s:]+)/.exec(this.#text.slice(start))?.[0] ?? '';
  }

  #syntax(document: Document.Parsed): boolean {
    for (const error of document.errors) {
      if (error.code === 'DUPLICATE_KEY') {
        this.#add('PGS1003', `key ${this.#keyAt(error.pos[0])} given twice`, error.pos[0]);
        continue;
      }
      // Only the first error: later ones are about the parser's own recovery.
      const what =
        error.code === 'MULTIPLE_DOCS' ? 'a second document; a file is one pipeline' : lowerFirst(error.message);
      const quote = this.#text.slice(error.pos[0] - 1, error.pos[0] + 1) === '${' || error.message.includes('${');
      const advice = quote ? '; within { } and [ ] write "${…}" in quotes' : '';
      this.#add('PGS1002', `malformed YAML: ${what}${advice}`, error.pos[0]);
      return false;
    }
    return true;
  }

  #convert(node: Node, pointer: string, document: Document.Parsed, key: number | null): unknown {
    const range = node.range ?? [0, 0, 0];
    this.#places.set(pointer, { value: range[0], end: range[1], key });
    if (isAlias(node)) return this.#alias(node.resolve(document), pointer, document, range[0]);
    if (isSeq(node)) return node.items.map((item, i) => this.#convert(item as Node, `${pointer}/${i}`, document, null));
    if (isMap(node)) {
      const result: Record<string, unknown> = {};
      for (const pair of node.items as Pair<Node, Node | null>[]) this.#pair(pair, pointer, document, result);
      return result;
    }
    return isScalar(node) ? this.#scalar(node.value, pointer, range) : null;
  }

  #pair(
    pair: Pair<Node, Node | null>,
    pointer: string,
    document: Document.Parsed,
    into: Record<string, unknown>,
  ): void {
    const start = pair.key.range?.[0] ?? 0;
    if (!isScalar(pair.key)) {
      this.#add('PGS1002', 'a key must be a plain word', start);
      return;
    }
    const name = String(pair.key.value);
    const at = `${pointer}/${escapePointer(name)}`;
    // `__proto__` as an own key, so that it is reported as unknown like any other key.
    const define = (value: unknown) =>
      Object.defineProperty(into, name, { value, enumerable: true, configurable: true, writable: true });
    if (pair.value === null) {
      this.#places.set(at, { value: start, end: start, key: start });
      define(null);
    } else {
      define(this.#convert(pair.value, at, document, start));
    }
  }

  #alias(target: Node | undefined, pointer: string, document: Document.Parsed, start: number): unknown {
    if (target === undefined || pointer.split('/').length > 40) {
      this.#add('PGS1002', 'an alias that points nowhere or into itself', start);
      return null;
    }
    const value = this.#convert(target, pointer, document, null);
    return value;
  }

  #scalar(value: unknown, pointer: string, range: readonly [number, number, number]): unknown {
    if (typeof value === 'bigint') return Number(value);
    if (typeof value !== 'string' || !value.includes('${')) return value;
    const result = interpolate(value, this.#env, this.#directory);
    let from = range[0];
    for (const failure of result.failures) {
      const found = this.#text.indexOf(failure.reference, from);
      const at = found === -1 || found > range[1] ? range[0] : found;
      this.#add(failure.code, failure.message, at);
      from = at + 1;
    }
    if (result.failures.length > 0) this.#broken.add(pointer);
    if (result.replaced) this.#replaced.add(pointer);
    for (const [secret, reference] of result.secrets) this.#secrets.set(secret, reference);
    return result.text;
  }

  #valueOf(pointer: string): unknown {
    let at: unknown = this.value;
    for (const part of pointer.split('/').slice(1))
      at = (at as Record<string, unknown> | undefined)?.[unescapePointer(part)];
    return at;
  }

  #nearest(pointer: string): Place | undefined {
    for (let at = pointer; ; at = at.slice(0, at.lastIndexOf('/'))) {
      const place = this.#places.get(at);
      if (place !== undefined || at === '') return place;
    }
  }

  #add(code: ConfigCode, message: string, offset: number): void {
    this.#found.push({ code, message, ...this.#position(offset) });
  }

  #position(offset: number): Position {
    return this.#lines.linePos(Math.min(offset, this.#text.length));
  }
}

export function escapePointer(part: string): string {
  return part.replaceAll('~', '~0').replaceAll('/', '~1');
}
export function unescapePointer(part: string): string {
  return part.replaceAll('~1', '/').replaceAll('~0', '~');
}

function lowerFirst(text: string): string {
  return /^[A-Z][a-z]/.test(text) ? text[0]!.toLowerCase() + text.slice(1) : text;
}
