import type { Expr } from '../expr.ts';
import { unsupportedForm } from '../errors.ts';
import { type Entry, type Refusal, strictWith } from '../table.ts';
import { type Decimal, encodeDecimal, fromInt, round } from '../values/decimal.ts';

type Token = '9' | '0' | '.' | ',' | 'MI' | { readonly literal: string };
interface Format {
  readonly tokens: readonly Token[];
  /** Positions before and after the point. */
  readonly pre: number;
  readonly post: number;
  readonly decimal: boolean;
  readonly fill: boolean;
  readonly minus: boolean;
  /** Position of the first `0` before the point, and of the last `0` of all; 0: none. */
  readonly zeroStart: number;
  readonly zeroEnd: number;
}

export const numberPatterns: readonly string[] = ['9', '0', '.', ',', 'FM', 'MI'];

/**
 * NUM_prepare; or the first thing in the format that is not supported. Patterns that a locale shapes (D, G, L, S) are
 * not supported.
 */
function parse(format: string): Format | string {
  const tokens: Token[] = [];
  let [pre, post, zeroStart, zeroEnd] = [0, 0, 0, 0];
  let [decimal, fill, minus] = [false, false, false];
  for (let at = 0; at < format.length; ) {
    const rest = format.slice(at);
    const quoted = /^"([^"\\]*)"/.exec(rest);
    const [, pattern = null] = /^(FM|MI|[90.,])/i.exec(rest) ?? [];
    at += quoted?.[0].length ?? pattern?.length ?? String.fromCodePoint(rest.codePointAt(0) as number).length;
    if (quoted !== null) {
      for (const c of quoted[1] as string) tokens.push({ literal: c });
      continue;
    }
    switch (pattern?.toUpperCase()) {
      case 'FM':
        if (fill || tokens.length > 0) return 'FM that is not first';
        fill = true;
        continue;
      case 'MI':
        if (minus || (tokens.length > 0 && at < format.length)) return 'MI that is neither first nor last';
        minus = true;
        tokens.push('MI');
        continue;
      case '.':
        if (decimal) return 'a second point';
        decimal = true;
        tokens.push('.');
        continue;
      case ',':
        tokens.push(',');
        continue;
      case '9':
      case '0':
        if (pattern === '0' && zeroStart === 0 && !decimal) zeroStart = pre + 1;
        if (decimal) post++;
        else pre++;
        if (pattern === '0') zeroEnd = pre + post;
        tokens.push(pattern as '9');
        continue;
      default: {
        const c = String.fromCodePoint(rest.codePointAt(0) as number);
        if (/[A-Za-z"\\]/.test(c)) return rest.slice(0, 4);
        tokens.push({ literal: c });
      }
    }
  }
  // The server ends the result at such a point.
  if (decimal && post === 0) return 'a point without digits after it';
  return { tokens, pre, post, decimal, fill, minus, zeroStart, zeroEnd };
}

/** NUM_processor of formatting.c, for these patterns. `digits` is the number without its sign. */
class Writer {
  readonly #format: Format;
  readonly #digits: string;
  readonly #negative: boolean;
  /** Positions of the format before the number's first digit. */
  readonly #spaces: number;
  /** Index of the last digit that FM shows; null: all. */
  readonly #last: number | null;
  #signed: boolean;
  #started = false;
  #position = 0;
  #at = 0;
  #out = '';

  constructor(format: Format, digits: string, negative: boolean) {
    this.#format = format;
    this.#negative = negative;
    const whole = digits.indexOf('.') < 0 ? digits.length : digits.indexOf('.');
    this.#spaces = Math.max(0, format.pre - whole);
    // A number that does not fit is shown as #.
    this.#digits = whole > format.pre ? `${'#'.repeat(format.pre)}.${'#'.repeat(format.post)}` : digits;
    this.#last = this.#lastRelevant();
    this.#signed = format.minus || (!negative && format.fill);
  }

  #lastRelevant(): number | null {
    const { fill, decimal, zeroEnd } = this.#format;
    const point = this.#digits.indexOf('.');
    if (!fill || !decimal || point < 0) return null;
    let last = point;
    for (let i = point + 1; i < this.#digits.length; i++) if (this.#digits[i] !== '0') last = i;
    if (zeroEnd > this.#spaces) last = Math.max(last, Math.min(this.#digits.length - 1, zeroEnd - this.#spaces));
    return last;
  }

  write(): string {
    for (const token of this.#format.tokens) {
      if (token === ',') this.#out += this.#started ? ',' : this.#format.fill ? '' : ' ';
      else if (token === 'MI') this.#out += this.#negative ? '-' : this.#format.fill ? '' : ' ';
      else if (typeof token === 'string') this.#part(token);
      else this.#out += token.literal;
    }
    return this.#out;
  }

  /** IS_PREDEC_SPACE: the zero before the point that no pattern asks for. */
  get #leadingZero(): boolean {
    return this.#format.zeroStart === 0 && this.#at === 0 && this.#digits[0] === '0' && this.#format.post !== 0;
  }

  #part(token: string): void {
    const { fill, zeroStart } = this.#format;
    const zeros = zeroStart > 0 && zeroStart - 1 <= this.#position;
    this.#started = false;
    const last = this.#last === null ? null : this.#digits[this.#last];
    const begins = this.#position >= this.#spaces || (zeroStart > 0 && zeroStart - 1 === this.#position);
    if (!this.#signed && begins && (!this.#leadingZero || last === '.')) {
      if (this.#negative) this.#out += '-';
      else if (!fill) this.#out += ' ';
      this.#signed = true;
    }
    if (this.#position < this.#spaces) {
      if (zeros) {
        this.#out += '0';
        this.#started = true;
      } else if (!fill) this.#out += ' ';
    } else this.#digit(token);
    this.#position++;
  }

  #digit(token: string): void {
    const c = this.#digits[this.#at];
    const last = this.#last === null ? null : this.#digits[this.#last];
    if (c === '.') {
      this.#out += '.';
    } else if (this.#last !== null && this.#at > this.#last && token !== '0') {
      // FM leaves out zeros at the end.
    } else if (this.#leadingZero) {
      if (!this.#format.fill) this.#out += ' ';
      else if (last === '.') this.#out += '0';
    } else if (c !== undefined) {
      this.#out += c;
      this.#started = true;
    }
    if (c !== undefined) this.#at++;
  }
}

export function checkNumberFormat([, format]: readonly Expr[]): Refusal | null {
  if (format?.op !== 'const' || format.text === null)
    return { code: 'PGS4107', message: 'the format of to_char must be a constant' };
  const parsed = parse(format.text);
  if (typeof parsed !== 'string' && parsed.pre + parsed.post > 0) return null;
  const what = typeof parsed === 'string' ? JSON.stringify(parsed) : 'a format without digits';
  return {
    code: 'PGS4107',
    message: `to_char of a number: ${what} is not supported; there are ${numberPatterns.join(' ')} (FM first, MI first or last), and other letters go in double quotes`,
  };
}

let lastText: string | null = null;
let lastFormat: Format | null = null;

function toCharNumber(value: Decimal, text: string): string {
  if (value.special !== 0) throw unsupportedForm('to_char of NaN or an infinity');
  if (text !== lastText) {
    lastFormat = parse(text) as Format;
    lastText = text;
  }
  const format = lastFormat as Format;
  const shown = encodeDecimal(round(value, format.post));
  const negative = shown.startsWith('-');
  return new Writer(format, negative ? shown.slice(1) : shown, negative).write();
}

const overrides = { check: checkNumberFormat, immutable: false };

/** to_char of smallint and of floats is left out: the server rounds those by way of printf. */
export const numberFormats: readonly Entry[] = [
  strictWith(overrides, 'to_char', [['int4', 'text'], 'text'], (value, format) => toCharNumber(fromInt(value), format)),
  strictWith(overrides, 'to_char', [['int8', 'text'], 'text'], (value, format) => toCharNumber(fromInt(value), format)),
  strictWith(overrides, 'to_char', [['numeric', 'text'], 'text'], toCharNumber),
];
