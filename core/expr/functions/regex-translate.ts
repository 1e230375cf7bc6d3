import type { Refusal } from '../table.ts';

/** A pattern that means the same as PostgreSQL's advanced regular expression under collation "C". */
export interface Translated {
  /** Source of a JavaScript RegExp with flags `su`. */
  readonly source: string;
  /**
   * The pattern for the server, which matches case-sensitively: each letter is spelled out as a set of its case
   * variants.
   */
  readonly server: string;
  /**
   * Number of quantifiers whose count may vary. With more than one, or with `|`, the two engines may match different
   * lengths.
   */
  readonly variable: number;
  readonly alternation: boolean;
  readonly groups: number;
  readonly canBeEmpty: boolean;
}
class Differs extends Error {}

/** A letter with its case variants, where case is ignored. */
export type Alike = (letter: string) => readonly string[];

export const asciiAlike: Alike = (letter) =>
  /^[A-Za-z]$/.test(letter) ? [letter.toLowerCase(), letter.toUpperCase()] : [letter];

const classes: Readonly<Record<string, string>> = {
  alpha: 'A-Za-z',
  digit: '0-9',
  alnum: '0-9A-Za-z',
  upper: 'A-Z',
  lower: 'a-z',
  space: ' \\t\\n\\v\\f\\r',
  blank: ' \\t',
  punct: '!-\\/:-@\\[-`\\{-~',
  xdigit: '0-9A-Fa-f',
  cntrl: '\\x00-\\x1f\\x7f',
  print: ' -~',
  graph: '!-~',
};
const shorthand: Readonly<Record<string, string>> = { d: '0-9', w: '0-9A-Za-z_', s: ' \\t\\n\\v\\f\\r' };
const controls: Readonly<Record<string, string>> = { n: '\\n', t: '\\t', r: '\\r', f: '\\f', v: '\\v' };

/**
 * Reads an ARE (manual: "Regular Expression Details") as far as JavaScript agrees with it; refuses the rest. `alike`
 * null: case-sensitive.
 */
export function translate(pattern: string, alike: Alike | null): Translated | Refusal {
  try {
    return new Translator(pattern, alike).whole();
  } catch (error) {
    if (!(error instanceof Differs)) throw error;
    return { code: 'PGS4108', message: error.message };
  }
}

/** No letter beyond it has case variants. */
const lastCased = 0x1_ffff;

class Translator {
  readonly #chars: readonly string[];
  readonly #alike: Alike | null;
  /** Replacements in the server's pattern for the characters from `from` to `to`. */
  readonly #edits: { readonly from: number; readonly to: number; readonly text: string }[] = [];
  #at = 0;
  #variable = 0;
  #alternation = false;
  #groups = 0;

  constructor(pattern: string, alike: Alike | null) {
    this.#chars = [...pattern];
    this.#alike = alike;
  }

  whole(): Translated {
    if (this.#chars.slice(0, 3).join('') === '***') throw new Differs('*** at the start of a pattern is not supported');
    const { source, empty } = this.#alternatives();
    if (this.#at < this.#chars.length) throw new Differs('unmatched ) in the pattern');
    return {
      source,
      server: this.#edited(),
      variable: this.#variable,
      alternation: this.#alternation,
      groups: this.#groups,
      canBeEmpty: empty,
    };
  }

  #edited(): string {
    let out = '';
    let at = 0;
    for (const { from, to, text } of this.#edits) {
      out += this.#chars.slice(at, from).join('') + text;
      at = to;
    }
    return out + this.#chars.slice(at).join('');
  }

  #alternatives(): Piece {
    const branches = [this.#branch()];
    while (this.#chars[this.#at] === '|') {
      this.#at++;
      this.#alternation = true;
      branches.push(this.#branch());
    }
    return { source: branches.map((b) => b.source).join('|'), empty: branches.some((b) => b.empty) };
  }

  #branch(): Piece {
    let source = '';
    let empty = true;
    for (;;) {
      const c = this.#chars[this.#at];
      if (c === undefined || c === '|' || c === ')') return { source, empty };
      const atom = this.#atom(c);
      const quantifier = this.#quantifier(atom.anchor === true);
      source += atom.source + quantifier.source;
      empty &&= atom.empty || quantifier.least === 0;
    }
  }

  #atom(c: string): Piece & { anchor?: boolean } {
    this.#at++;
    switch (c) {
      case '^':
      case '$':
        return { source: c, empty: true, anchor: true };
      case '.':
        return { source: '.', empty: false };
      case '(':
        return this.#group();
      case '[':
        return { source: this.#bracket(), empty: false };
      case '\\':
        return { source: this.#escape(), empty: false };
      case '*':
      case '+':
      case '?':
        throw new Differs(`${c} in the pattern has nothing before it`);
      case '{':
        throw new Differs('{ in the pattern must follow what it counts; write \\{ for the character');
      default:
        return { source: this.#literal(c), empty: false };
    }
  }

  #group(): Piece {
    let open = '(';
    if (this.#chars[this.#at] === '?') {
      if (this.#chars[this.#at + 1] !== ':') throw new Differs('lookaround and embedded options are not supported');
      this.#at += 2;
      open = '(?:';
    } else this.#groups++;
    const inner = this.#alternatives();
    if (this.#chars[this.#at++] !== ')') throw new Differs('( in the pattern is not closed');
    return { source: `${open}${inner.source})`, empty: inner.empty };
  }

  #quantifier(afterAnchor: boolean): { source: string; least: number } {
    const c = this.#chars[this.#at];
    if (c === undefined || !'*+?{'.includes(c)) return { source: '', least: 1 };
    if (afterAnchor) throw new Differs('a quantifier cannot follow ^ or $');
    let source = c;
    let least = c === '+' ? 1 : 0;
    this.#at++;
    if (c === '{') {
      const match = /^(\d{1,3})(,(\d{0,3}))?\}/.exec(this.#chars.slice(this.#at, this.#at + 9).join(''));
      if (match === null) throw new Differs('{ in the pattern must hold m, m, or m,n; write \\{ for the character');
      const [low, high] = [Number(match[1]), match[3] ? Number(match[3]) : Number(match[1])];
      if (low > 255 || high > 255 || high < low) throw new Differs('bounds in the pattern are at most 255, in order');
      this.#at += match[0].length;
      source += match[0];
      least = low;
      if (match[2] !== undefined && high !== low) this.#variable++;
      if (match[2] !== undefined && match[3] === '') this.#variable++;
    } else this.#variable++;
    if (this.#chars[this.#at] === '?') {
      this.#at++;
      this.#variable += 2;
      source += '?';
    }
    const next = this.#chars[this.#at];
    if (next !== undefined && '*+?{'.includes(next)) throw new Differs('one quantifier after another is not supported');
    return { source, least };
  }

  #literal(c: string, from = this.#at - 1): string {
    const letters = this.#alike?.(c) ?? [c];
    if (letters.length > 1) {
      const set = `[${letters.join('')}]`;
      this.#edits.push({ from, to: this.#at, text: set });
      return set;
    }
    return c.replace(/[\\^$.*+?()[\]{}|/]/, '\\$&');
  }

  #escape(): string {
    const c = this.#chars[this.#at++];
    if (c === undefined) throw new Differs('the pattern ends with a backslash');
    const set = shorthand[c.toLowerCase()];
    if (set !== undefined) return `[${c === c.toLowerCase() ? '' : '^'}${set}]`;
    const control = controls[c];
    if (control !== undefined) return control;
    if (/[A-Za-z0-9]/.test(c))
      throw new Differs(
        `\\${c} in a pattern is not supported${c === 'b' ? ' (PostgreSQL reads it as backspace)' : ''}`,
      );
    return this.#literal(c, this.#at - 2);
  }

  #bracket(): string {
    let out = '';
    if (this.#chars[this.#at] === '^') {
      out = '^';
      this.#at++;
    }
    for (let first = true; ; first = false) {
      const c = this.#chars[this.#at];
      if (c === undefined) throw new Differs('[ in the pattern is not closed');
      if (c === ']' && !first) {
        this.#at++;
        return `[${out}]`;
      }
      out += this.#member();
    }
  }

  #member(): string {
    const c = this.#chars[this.#at] as string;
    const next = this.#chars[this.#at + 1];
    if (c === '[' && next === ':') return this.#namedClass();
    if (c === '[' && (next === '.' || next === '=')) throw new Differs('[. and [= in a pattern are not supported');
    if (c === '\\') {
      const set = next === undefined ? undefined : shorthand[next];
      if (set !== undefined) {
        this.#at += 2;
        if (this.#chars[this.#at] === '-' && this.#chars[this.#at + 1] !== ']')
          throw new Differs('a range cannot start with a class');
        return set;
      }
    }
    const from = this.#single();
    if (this.#chars[this.#at] !== '-' || this.#chars[this.#at + 1] === ']') return this.#range(from, from);
    this.#at++;
    const to = this.#single();
    if (to < from) throw new Differs('a range in the pattern is out of order');
    return this.#range(from, to);
  }

  #namedClass(): string {
    const match = /^\[:([a-z]+):\]/.exec(this.#chars.slice(this.#at, this.#at + 12).join(''));
    const name = match?.[1] ?? '';
    const folded = this.#alike !== null && (name === 'upper' || name === 'lower') ? 'alpha' : name;
    const set = classes[folded];
    if (match === null || set === undefined) throw new Differs('unknown character class in the pattern');
    if (folded !== name) this.#edits.push({ from: this.#at, to: this.#at + match[0].length, text: `[:${folded}:]` });
    this.#at += match[0].length;
    return set;
  }

  /** One character of a bracket expression, by code point. */
  #single(): number {
    const c = this.#chars[this.#at++];
    if (c === undefined) throw new Differs('[ in the pattern is not closed');
    if (c === '[' && /[:.=]/.test(this.#chars[this.#at] ?? '')) throw new Differs('a range cannot end with a class');
    if (c !== '\\') return c.codePointAt(0) as number;
    const escaped = this.#chars[this.#at++];
    const control = escaped === undefined ? undefined : { n: 10, t: 9, r: 13, f: 12, v: 11 }[escaped];
    if (control !== undefined) return control;
    if (escaped === undefined || /[A-Za-z0-9]/.test(escaped))
      throw new Differs(`\\${escaped ?? ''} in brackets is not supported`);
    return escaped.codePointAt(0) as number;
  }

  #range(from: number, to: number): string {
    const code = (n: number): string => `\\u{${n.toString(16)}}`;
    const out = from === to ? code(from) : `${code(from)}-${code(to)}`;
    if (this.#alike === null) return out;
    const otherCases = new Set<number>();
    for (let n = from; n <= Math.min(to, lastCased); n++) {
      if (n >= 0xd800 && n <= 0xdfff) continue;
      for (const letter of this.#alike(String.fromCodePoint(n))) {
        const other = letter.codePointAt(0) as number;
        if (other < from || other > to) otherCases.add(other);
      }
    }
    if (otherCases.size === 0) return out;
    this.#edits.push({ from: this.#at, to: this.#at, text: String.fromCodePoint(...otherCases) });
    return out + [...otherCases].map(code).join('');
  }
}
interface Piece {
  readonly source: string;
  readonly empty: boolean;
}
