import { Ajv2020, type ErrorObject, type ValidateFunction } from 'ajv/dist/2020.js';
import type { JsonSchema } from '../api/plugin.ts';
import { unitFormats } from './units.ts';

export type Options = { [key: string]: unknown };

const compiled = new WeakMap<JsonSchema, OptionsSchema>();

/** The schema, compiled once. Throws ajv's error on one that is not valid in strict mode. */
export function compileOptions(schema: JsonSchema): OptionsSchema {
  let known = compiled.get(schema);
  if (known === undefined) {
    known = new OptionsSchema(schema);
    compiled.set(schema, known);
  }
  return known;
}

/** A compiled schema: checks, fills defaults, and turns sizes and durations into numbers. */
export class OptionsSchema {
  readonly schema: JsonSchema;
  readonly #validate: ValidateFunction;
  /** Pointers of strings with units that the run under way has met. */
  #units = new Map<string, number>();

  /** Throws ajv's error on a schema that is not valid, or uses keywords and formats that nobody knows. */
  constructor(schema: JsonSchema) {
    this.schema = schema;
    // Strictness is checked apart: together with defaults, ajv refuses those inside of anyOf, which are there for readers.
    this.#format(
      new Ajv2020({ strict: true, strictTypes: false, strictRequired: false, allowUnionTypes: true }),
    ).compile(schema);
    const ajv = new Ajv2020({ allErrors: true, verbose: true, useDefaults: true, strict: false, logger: false });
    this.#validate = this.#format(ajv).compile(schema);
  }

  /** The same ajv with our formats in place of its own. */
  #format(ajv: Ajv2020): Ajv2020 {
    ajv.removeKeyword('format');
    ajv.addKeyword({
      keyword: 'format',
      type: 'string',
      schemaType: 'string',
      errors: false,
      compile: (name: string) => {
        const format = unitFormats[name];
        if (format === undefined) return textFormat(name);
        return (text: string, context) => {
          const value = format.parse(text);
          if (value !== null && context !== undefined) this.#units.set(context.instancePath, value);
          return value !== null;
        };
      },
    });
    return ajv;
  }

  /** Changes `value` (defaults). With no errors, strings with units have become numbers of bytes and milliseconds. */
  check(value: unknown): readonly ErrorObject[] {
    this.#units = new Map();
    if (!this.#validate(value)) return this.#validate.errors ?? [];
    for (const [pointer, number] of this.#units) replaceAt(value, pointer, number);
    return [];
  }
}

/** Formats of plain text that the schema of schemas itself uses. */
function textFormat(name: string): (text: string) => boolean {
  if (name === 'uri') return (text) => URL.canParse(text);
  if (name === 'uri-reference') return (text) => URL.canParse(text, 'http://base');
  if (name === 'regex') return isRegex;
  throw new Error(`unknown format "${name}"; known: ${Object.keys(unitFormats).join(', ')}, uri, uri-reference, regex`);
}

function isRegex(text: string): boolean {
  try {
    RegExp(text, 'u');
    return true;
  } catch {
    return false;
  }
}

function replaceAt(root: unknown, pointer: string, value: unknown): void {
  const parts = pointer
    .split('/')
    .slice(1)
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'));
  const last = parts.pop();
  if (last === undefined) return;
  let at = root as Record<string, unknown>;
  for (const part of parts) at = at[part] as Record<string, unknown>;
  at[last] = value;
}

/** Replaces the string at a pointer by what it stands for, where the schema asks for another type. False: it stands for none of them. */
export function coerceAt(root: unknown, pointer: string, types: readonly string[]): boolean {
  const parts = pointer
    .split('/')
    .slice(1)
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'));
  let text: unknown = root;
  for (const part of parts) text = (text as Record<string, unknown>)[part];
  if (typeof text !== 'string') return false;
  for (const type of types) {
    const value = coerce(text.trim(), type);
    if (value === undefined) continue;
    replaceAt(root, pointer, value);
    return true;
  }
  return false;
}

function coerce(text: string, type: string): number | boolean | null | undefined {
  if (type === 'integer' && /^[-+]?\d+$/.test(text)) return Number(text);
  if (type === 'number' && /^[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?$/.test(text)) return Number(text);
  if (type === 'boolean' && /^(true|false)$/i.test(text)) return text.toLowerCase() === 'true';
  if (type === 'null' && /^(null|~)$/i.test(text)) return null;
  return undefined;
}
