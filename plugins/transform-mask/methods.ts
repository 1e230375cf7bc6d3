import { oids } from '../../core/postgres/oids.ts';
import { createHash } from 'node:crypto';
import type { Column } from '../../core/postgres/relation.ts';
import type { Expr, Shape, TransformTools } from '../../core/api/transform.ts';
import type { Method } from './method-schema.ts';
import { quoteIdent, quoteLiteral } from '../../core/postgres/quote.ts';

interface Context {
  readonly input: Shape;
  readonly tools: TransformTools;
}
/** SQL of the masked text, and its maximum length in characters (null: that of the value). */
interface Masked {
  readonly sql: string;
  readonly longest: number | null;
  readonly secrets: readonly string[];
}

/**
 * Every method is a SQL expression, so that the source computes it in the snapshot and the stream's evaluator computes
 * the same value: no method needs the rows route.
 */
export function maskColumn(column: Column, method: Method, { input, tools }: Context): Expr {
  if (method === 'null') return nothing(column, { input, tools });
  if (method !== 'redact' && 'hash' in method && column.baseType === oids.uuid && method.hash.length === undefined) {
    const { sql, secrets } = hash(valueOf(column), method.hash.secret, 32);
    return hide(tools.parse(`(${sql})::uuid`, input), secrets);
  }
  const keepsFormat = method === 'redact' || 'partial' in method || 'digits' in method;
  if (keepsFormat && ![oids.text, oids.varchar, oids.bpchar].includes(column.baseType)) {
    const name = typeof method === 'string' ? method : Object.keys(method)[0];
    throw tools.problem(`column ${column.name} is ${column.typeName}; ${name} is for text`, 'Use null or hash.');
  }
  refuseUnreadable(column, { input, tools });
  const masked = maskText(column, method);
  const expr = hide(tools.parse(masked.sql, input), masked.secrets);
  return fits(column, masked.longest) ? tools.cast(expr, column.typeName) : expr;
}

function maskText(column: Column, method: Exclude<Method, 'null'>): Masked {
  const value = valueOf(column);
  if (method === 'redact') return fixed(value, '***');
  if ('hash' in method) return hash(value, method.hash.secret, method.hash.length ?? 64);
  if ('partial' in method) return partial(value, method.partial);
  return digits(value, method.digits.secret, limit(column));
}

/** Checked before SQL is made of it, so that the message names the column and not a place in generated text. */
function refuseUnreadable(column: Column, { input, tools }: Context): void {
  try {
    tools.cast(tools.column(input, column.name), 'text');
  } catch {
    throw tools.problem(
      `column ${column.name} is ${column.typeName}, which has no text form that is the same everywhere`,
      'Mask it with null, or make it text with `set` first.',
    );
  }
}

const valueOf = (column: Column): string => `${quoteIdent(column.name)}::text`;

/** Number of characters that the type of the column accepts; null: any number. */
function limit(column: Column): number | null {
  const limited = column.type === oids.varchar || column.type === oids.bpchar;
  return limited && column.typmod >= 4 ? column.typmod - 4 : null;
}

/** The result goes into a column of the same type; as a cast would cut a longer one, the column then becomes text. */
function fits(column: Column, longest: number | null): boolean {
  const most = limit(column);
  return most !== null && (longest === null || longest <= most);
}

function nothing(column: Column, { input, tools }: Context): Expr {
  if (column.notNull) {
    throw tools.problem(`column ${column.name} is NOT NULL and cannot be masked with null`, 'Use redact or hash.');
  }
  return { op: 'const', text: null, type: tools.column(input, column.name).type };
}

function fixed(value: string, text: string): Masked {
  return {
    sql: `CASE WHEN ${value} IS NOT NULL THEN ${quoteLiteral(text)} END`,
    longest: [...text].length,
    secrets: [],
  };
}

function partial(
  value: string,
  {
    prefix = 0,
    suffix = 0,
    with: rest = '***',
  }: { readonly prefix?: number; readonly suffix?: number; readonly with?: string },
): Masked {
  const stars = quoteLiteral(rest);
  const kept = `left(${value}, ${prefix}) || ${stars} || right(${value}, ${suffix})`;
  return {
    sql: `CASE WHEN length(${value}) > ${prefix + suffix} THEN ${kept} WHEN ${value} IS NOT NULL THEN ${stars} END`,
    longest: prefix + suffix + [...rest].length,
    secrets: [],
  };
}

/** HMAC-SHA256 (RFC 2104) of the value's UTF-8, by its two nested hashes, as hex. */
function hash(value: string, secret: string, length: number): Masked {
  const [inner, outer] = pads(secret);
  const digest = `sha256('${outer}'::bytea || sha256('${inner}'::bytea || convert_to(${value}, 'UTF8')))`;
  const hex = `encode(${digest}, 'hex')`;
  return { sql: length === 64 ? hex : `left(${hex}, ${length})`, longest: length, secrets: [inner, outer] };
}

/** The key, xor-ed with the inner and outer pad, as bytea constants. */
function pads(secret: string): readonly [string, string] {
  const bytes = Buffer.from(secret);
  const key = bytes.length > 64 ? createHash('sha256').update(bytes).digest() : bytes;
  const pad = (fill: number) => {
    const block = Buffer.alloc(64, fill);
    key.forEach((byte, i) => {
      block[i] = byte ^ fill;
    });
    return `\\x${block.toString('hex')}`;
  };
  return [pad(0x36), pad(0x5c)];
}

const block = 4;
const blocks = 6;

/**
 * The HMAC's hex as 64 decimal digits; each block of four characters has ten of them as a table from digit to digit.
 * From the 25th character on one table is used.
 */
function digits(value: string, secret: string, most: number | null): Masked {
  const { sql: hex, secrets } = hash(value, secret, 64);
  const random = `translate(${hex}, 'abcdef', '246813')`;
  const part = (text: string, at: number) =>
    `translate(${text}, '0123456789', substring(${random}, ${at * 10 + 1}, 10))`;
  const needed = most === null ? blocks : Math.min(blocks, Math.ceil(most / block));
  const parts = Array.from({ length: needed }, (_, at) => part(`substring(${value}, ${at * block + 1}, ${block})`, at));
  if (most === null || most > blocks * block)
    parts.push(part(`substring(${value}, ${blocks * block + 1})`, blocks - 1));
  return { sql: parts.join(' || '), longest: null, secrets };
}

/** Marks the key's constants, so that `plan` does not show them. */
function hide(expr: Expr, secrets: readonly string[]): Expr {
  if (expr.op === 'const') return expr.text !== null && secrets.includes(expr.text) ? { ...expr, secret: true } : expr;
  return expr.op === 'call' ? { ...expr, args: expr.args.map((arg) => hide(arg, secrets)) } : expr;
}
