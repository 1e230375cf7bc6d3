import { Ajv2020, type ErrorObject, type ValidateFunction } from 'ajv/dist/2020.js';
import type { JsonSchema } from '../base/json-schema.ts';
import { unitFormats } from '../base/units.ts';

export type Options = { [key: string]: unknown };

/** JSON pointers of strings with units that the current check has found, with their numbers. Checks are synchronous. */
let units = new Map<string, number>();

// Two instances, as ajv in strict mode refuses defaults inside anyOf, which our schemas have for documentation. Each is
// made once: it compiles the meta-schema first, which takes longer than our schema.
let strict: Ajv2020 | null = null;
let lenient: Ajv2020 | null = null;

/** Throws ajv's error for a schema that is invalid, or uses unknown keywords or formats. */
export function assertSchema({ $id: _, ...schema }: JsonSchema): void {
  strict ??= withFormats(
    new Ajv2020({ strict: true, strictTypes: false, strictRequired: false, allowUnionTypes: true, logger: false }),
  );
  strict.compile(schema);
}

function withFormats(ajv: Ajv2020): Ajv2020 {
  // For their meaning see core/base/options.ts.
  ajv.addKeyword({ keyword: 'secret', schemaType: 'boolean' });
  ajv.addKeyword({ keyword: 'expression', schemaType: 'boolean' });
  ajv.addKeyword({ keyword: 'change', schemaType: 'object' });
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
        if (value !== null && context !== undefined) units.set(context.instancePath, value);
        return value !== null;
      };
    },
  });
  return ajv;
}

const compiled = new WeakMap<JsonSchema, ValidateFunction>();

/**
 * Checks a value against a schema that {@link assertSchema} has accepted, and changes it: defaults are filled in, and
 * if there are no errors strings with units become numbers of bytes and milliseconds.
 */
export function checkOptions(schema: JsonSchema, value: unknown): readonly ErrorObject[] {
  let validate = compiled.get(schema);
  if (validate === undefined) {
    lenient ??= withFormats(
      new Ajv2020({
        allErrors: true,
        verbose: true,
        useDefaults: true,
        strict: false,
        validateSchema: false,
        logger: false,
        // The code runs once or twice: optimising it takes longer than it saves.
        code: { optimize: false },
      }),
    );
    validate = lenient.compile(schema);
    compiled.set(schema, validate);
  }
  units = new Map();
  if (!validate(value)) return validate.errors ?? [];
  for (const [pointer, number] of units) replaceAt(value, pointer, number);
  return [];
}

/** Formats of plain text that the meta-schema itself uses. */
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

/**
 * Replaces the string at a pointer by the value that it represents, if the schema wants another type. False: it
 * represents none of those types.
 */
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
