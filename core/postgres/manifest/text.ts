import type { Property } from './difference.ts';
/** A token of SQL as the server prints it. Whitespace is no token. */
interface Token {
  readonly text: string;
  /** The name that an identifier stands for; null for anything else. */
  readonly name: string | null;
  readonly start: number;
  readonly end: number;
}

const pattern =
  /\s+|--[^\n]*|\/\*[\s\S]*?\*\/|"(?:[^"]|"")*"|[eE]'(?:[^'\\]|\\.|'')*'|'(?:[^']|'')*'|\$([A-Za-z_\u0080-\uffff][\w\u0080-\uffff]*)?\$[\s\S]*?\$\1\$|[A-Za-z_\u0080-\uffff][\w$\u0080-\uffff]*|\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|[-+*/<>=~!@#%^&|`?]+|./g;

function tokens(sql: string): Token[] {
  const found: Token[] = [];
  for (const match of sql.matchAll(pattern)) {
    const text = match[0];
    if (/^(\s|--|\/\*)/.test(text)) continue;
    // Outside quotes case has no meaning: `extract('YEAR' FROM d)` is printed with YEAR, and with year after it was
    // parsed again.
    const name = text.startsWith('"')
      ? text.slice(1, -1).replaceAll('""', '"')
      : /^[A-Za-z_\u0080-\uffff]/.test(text) && !/^[eE]'/.test(text)
        ? text.replace(/[A-Z]+/g, (capitals) => capitals.toLowerCase())
        : null;
    found.push({ text, name, start: match.index, end: match.index + text.length });
  }
  return found;
}

/** Names that differ in the target. */
export interface Renames {
  /** `schema\0name` to [schema, name]. */
  readonly relations: ReadonlyMap<string, readonly [string, string]>;
  /** `old\0new` of columns, whatever their table. */
  readonly columns: ReadonlySet<string>;
}

export const noRenames: Renames = { relations: new Map(), columns: new Set() };

/**
 * Whether two texts of the server mean the same. Servers before 16 qualify columns with the only table of a query,
 * later ones do not; white space differs, too. Through renames a view keeps the old name as an alias. A cast of an
 * array is printed as casts of its elements after the text was parsed again (see {@link pushCasts}).
 */
export function sameText(there: string, wanted: string, renames: Renames = noRenames): boolean {
  const [a, b] = [pushCasts(tokens(there)), pushCasts(tokens(wanted))];
  const qualifiers = new Set<string>();
  let [i, j] = [0, 0];
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && sameToken(a[i]!, b[j]!, renames)) {
      i++;
      j++;
    } else if (isQualifier(a, i, b[j], renames)) {
      qualifiers.add(a[i]!.name!);
      i += 2;
    } else if (isQualifier(b, j, a[i], renames)) {
      qualifiers.add(b[j]!.name!);
      j += 2;
    } else if (isOldAlias(a, i, renames)) {
      i++;
    } else {
      return false;
    }
  }
  return qualifiers.size <= 1;
}

/**
 * `(ARRAY[a, b])::text[]` as `ARRAY[(a)::text, (b)::text]`. `v IN ('a', 'b')` over a varchar column is printed in the
 * first form; the grammar moves the cast to the elements (transformTypeCast in parse_expr.c), so a restored dump prints
 * the second form.
 */
function pushCasts(all: readonly Token[]): readonly Token[] {
  let pushed = all;
  for (let at = 0; at < pushed.length; at++) {
    const cast = castArray(pushed, at);
    if (cast === null) continue;
    // The elements may contain such casts themselves; they begin after `ARRAY[`.
    pushed = [...pushed.slice(0, at), ...ofElements(cast.elements, cast.type), ...pushed.slice(cast.end)];
  }
  return pushed;
}

interface CastArray {
  /** `ARRAY[…]`. */
  readonly elements: readonly Token[];
  /** `::` and the type of an element. */
  readonly type: readonly Token[];
  readonly end: number;
}

function castArray(all: readonly Token[], at: number): CastArray | null {
  if (all[at]?.text !== '(' || all[at + 1]?.text !== 'ARRAY' || all[at + 2]?.text !== '[') return null;
  const close = closing(all, at + 2);
  if (all[close + 1]?.text !== ')' || all[close + 2]?.text !== ':' || all[close + 3]?.text !== ':') return null;
  let end = close + 4;
  while (
    end < all.length &&
    (all[end]!.name !== null || /^([.,()]|\d+)$/.test(all[end]!.text)) &&
    all[end]!.text !== ')'
  )
    end = all[end]!.text === '(' ? closing(all, end) + 1 : end + 1;
  if (all[end]?.text !== '[' || all[end + 1]?.text !== ']') return null;
  return { elements: all.slice(at + 1, close + 1), type: all.slice(close + 2, end), end: end + 2 };
}

/** Index of the bracket that closes the one at `open`. */
function closing(all: readonly Token[], open: number): number {
  let depth = 0;
  for (let at = open; at < all.length; at++) {
    if ('(['.includes(all[at]!.text)) depth++;
    if (')]'.includes(all[at]!.text) && --depth === 0) return at;
  }
  return all.length;
}

/** Each element of `ARRAY[…]` with the cast; the elements of its elements where those are arrays themselves. */
function ofElements(array: readonly Token[], type: readonly Token[]): readonly Token[] {
  const [open, close] = [
    { text: '(', name: null, start: 0, end: 0 },
    { text: ')', name: null, start: 0, end: 0 },
  ];
  const found: Token[] = array.slice(0, 2);
  for (let at = 2; at < array.length - 1; ) {
    let end = at;
    while (end < array.length - 1 && array[end]!.text !== ',')
      end = '(['.includes(array[end]!.text) ? closing(array, end) + 1 : end + 1;
    const element = array.slice(at, end);
    const nested = element[0]?.text === 'ARRAY' && element.length === closing(element, 1) + 1;
    found.push(...(nested ? ofElements(element, type) : [open, ...element, close, ...type]));
    if (array[end]?.text === ',') found.push(array[end]!);
    at = end + 1;
  }
  return [...found, array.at(-1)!];
}

function sameToken(a: Token, b: Token, renames: Renames): boolean {
  if (a.name === null || b.name === null) return a.text === b.text;
  return a.name === b.name || renames.columns.has(`${b.name}\0${a.name}`) || relationRenamed(b.name, a.name, renames);
}

function relationRenamed(old: string, now: string, { relations }: Renames): boolean {
  for (const [from, to] of relations) {
    const [schema, name] = from.split('\0');
    if ((schema === old && to[0] === now) || (name === old && to[1] === now)) return true;
  }
  return false;
}

function isQualifier(all: readonly Token[], at: number, other: Token | undefined, renames: Renames): boolean {
  const [qualifier, dot, name] = [all[at], all[at + 1], all[at + 2]];
  if (
    qualifier?.name === null ||
    qualifier === undefined ||
    dot?.text !== '.' ||
    name === undefined ||
    other === undefined
  )
    return false;
  return sameToken(name, other, renames) || sameToken(other, name, renames);
}

/** `FROM crm.account customer`: what was `app.customer` when the view was made. */
function isOldAlias(all: readonly Token[], at: number, { relations }: Renames): boolean {
  const [schema, dot, name, alias] = [all[at - 3], all[at - 2], all[at - 1], all[at]];
  if (dot?.text !== '.' || alias?.name === null || alias === undefined || schema === undefined || name === undefined)
    return false;
  return [...relations].some(
    ([from, to]) => to[0] === schema.name && to[1] === name.name && from.split('\0')[1] === alias.name,
  );
}

/** The table that a text belongs to: its own columns appear alone, or after its name, OLD or NEW. */
export interface OwnTable {
  readonly from: string;
  readonly to: string;
  readonly columns: ReadonlyMap<string, string>;
}

export interface TextRenames {
  readonly relations: Renames['relations'];
  readonly columnsOf: (schema: string, name: string) => ReadonlyMap<string, string> | undefined;
  readonly own?: OwnTable | undefined;
  readonly quote: (name: string) => string;
}

/** The text with the new names of relations and columns. Columns of other tables appear after an alias of these. */
export function renameInText(sql: string, { relations, columnsOf, own, quote }: TextRenames): string {
  const all = tokens(sql);
  const known = aliases(all, columnsOf);
  for (const name of own === undefined ? [] : [own.from, 'old', 'new']) known.set(name, own!.columns);
  let text = '';
  let at = 0;
  const put = (from: Token, to: Token, name: string) => {
    text += sql.slice(at, from.start) + name;
    at = to.end;
  };
  for (let i = 0; i < all.length; i++) {
    const token = all[i]!;
    // The server writes keywords in capitals and quotes names that contain one.
    if (token.name === null || /^[A-Z]/.test(token.text)) continue;
    const second = all[i + 1]?.text === '.' ? all[i + 2] : undefined;
    if (all[i - 1]?.text === '.') {
      const column = known.get(all[i - 2]?.name ?? '')?.get(token.name);
      if (column !== undefined && all[i + 1]?.text !== '(') put(token, token, quote(column));
    } else if (typeof second?.name === 'string') {
      const to = relations.get(`${token.name}\0${second.name}`);
      if (to !== undefined) {
        put(token, second, `${quote(to[0])}.${quote(to[1])}`);
        i += 2;
      } else if (token.name === own?.from && all[i + 3]?.text !== '(' && all[i - 1]?.text !== '::') {
        put(token, token, quote(own.to));
      }
    } else {
      const column = own?.columns.get(token.name);
      if (column !== undefined && all[i + 1]?.text !== '(') put(token, token, quote(column));
    }
  }
  return text + sql.slice(at);
}

/** Names that stand for a table in the text: `FROM app.orders o`. */
function aliases(all: readonly Token[], columnsOf: TextRenames['columnsOf']): Map<string, ReadonlyMap<string, string>> {
  const found = new Map<string, ReadonlyMap<string, string>>();
  for (const [i, token] of all.entries()) {
    const [dot, table, alias] = [all[i + 1], all[i + 2], all[i + 3]];
    if (token.name === null || dot?.text !== '.' || typeof table?.name !== 'string') continue;
    const columns = columnsOf(token.name, table.name);
    if (columns === undefined) continue;
    const named = typeof alias?.name === 'string' && !/^[A-Z]/.test(alias.text);
    found.set(named ? alias.name! : table.name, columns);
  }
  return found;
}

const sqlProps: ReadonlySet<string> = new Set(['definition', 'default', 'using', 'with check', 'result', 'arguments']);

/** The comparison of SQL properties in a difference. */
export function sameSql(renames: Renames): (property: Property, there: string, wanted: string) => boolean {
  return ({ name }, there, wanted) => sqlProps.has(name) && sameText(there, wanted, renames);
}
