/** A number as it is written: 64-bit integers and decimals keep their digits. */
export class Digits {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

export type Parsed = null | boolean | string | Digits | readonly Parsed[] | JsonObject;
export interface JsonObject {
  readonly [name: string]: Parsed;
}

const withSource = JSON as unknown as {
  parse(text: string, reviver: (key: string, value: unknown, context: { source: string }) => unknown): Parsed;
};

/** Throws SyntaxError. */
export function parse(text: string): Parsed {
  return withSource.parse(text, (_, value, { source }) => (typeof value === 'number' ? new Digits(source) : value));
}

export function isObject(value: Parsed | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Digits);
}

/** Text, where it is some. */
export function textOf(value: Parsed | undefined): string | null {
  return typeof value === 'string' ? value : null;
}
