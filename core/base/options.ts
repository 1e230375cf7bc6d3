import { type Static, type TObject, type TProperties, type TSchema, type TSchemaOptions, Type } from 'typebox';
import type { JsonSchema } from './json-schema.ts';
import { unitFormats } from './units.ts';

export { Type, type Static };

/**
 * What a changed value means for a pipeline that has started. `now`: it takes effect at the next start, or at SIGHUP.
 * `tables`: the choice of tables is compared with the tables that are copied. `refused`: what was made with the old
 * value does not fit the new one; `remedy` says what to do.
 */
export type OptionChange =
  | { readonly effect: 'now' | 'tables' }
  | { readonly effect: 'refused'; readonly remedy: string };

declare module 'typebox' {
  interface TSchemaOptions {
    /**
     * The value is a password, or gives access to one: it is never printed, logged or kept (I11). Every value inside it
     * is secret, too.
     */
    secret?: true;
    /** The text is a SQL expression, which `validate` checks. */
    expression?: true;
    /** Default: `now`. */
    change?: OptionChange;
  }
}

/** Options of a plugin or of a part of it: closed, and a key that has a default may be left out of the file. */
export type OptionsSchema<P extends TProperties = TProperties> = TObject<P> & JsonSchema;

/**
 * Declares options once: the parser, the static type ({@link Static}), the JSON Schema for editors, `pgsluice plugins`, the
 * reference, redaction and the rules for a changed file read this value.
 */
export function Options<P extends TProperties>(properties: P, schemaOptions: TSchemaOptions = {}): OptionsSchema<P> {
  const schema: TSchema = Type.Object(properties, { additionalProperties: false, ...schemaOptions });
  const required = Object.keys(properties).filter(
    (key) => !Type.IsOptional(properties[key]) && !('default' in (properties[key] as object)),
  );
  const { required: _, ...rest } = schema as TSchema & { readonly required?: unknown };
  return (required.length === 0 ? rest : { ...rest, required }) as unknown as OptionsSchema<P>;
}

/** The static type of properties that several plugins share. */
export type StaticOf<P extends TProperties> = Static<TObject<P>>;

/** A part of the options whose keys all have defaults, or may be left out: `snapshot: { … }`. */
export function Part<P extends TProperties>(properties: P, schemaOptions: TSchemaOptions = {}): OptionsSchema<P> {
  return Options(properties, { default: {}, ...schemaOptions });
}

/** A string with a unit in the file (`64MB`), bytes in the options that a plugin gets. */
export const Size = (about: TSchemaOptions) => Type.Unsafe<number>({ type: 'string', format: 'size', ...about });
/** A string with a unit in the file (`30s`), milliseconds in the options that a plugin gets. */
export const Duration = (about: TSchemaOptions) =>
  Type.Unsafe<number>({ type: 'string', format: 'duration', ...about });
/** A schema that is written out, with the type of what passes it. */
export const schemaOf = <T>(schema: JsonSchema) =>
  Type.Unsafe<T>(schema) as ReturnType<typeof Type.Unsafe<T>> & JsonSchema;
/** One of some words. */
export const Choice = <const V extends string>(values: readonly V[], about: TSchemaOptions) =>
  Type.Unsafe<V>({ type: 'string', enum: values, ...about });
/** A list. */
export const List = <S extends TSchema>(
  items: S,
  about: TSchemaOptions & { minItems?: number; uniqueItems?: boolean },
) => Type.Unsafe<readonly Static<S>[]>({ type: 'array', items, ...about });
/** A mapping from names that the user chooses. */
export const Mapping = <S extends TSchema>(value: S, about: TSchemaOptions & { minProperties?: number }) =>
  Type.Unsafe<{ readonly [name: string]: Static<S> }>({ type: 'object', additionalProperties: value, ...about });
/** Text that is not empty. */
export const Text = (about: TSchemaOptions & { pattern?: string; maxLength?: number }) =>
  Type.String({ minLength: 1, ...about });

/** A SQL expression in the language of the transforms. */
export const Expression = (about: TSchemaOptions) => Text({ expression: true, ...about });

/** Keys that have a default may be left out; a part's own keys, too. */
export type Given<T> = T extends readonly unknown[] | string
  ? T
  : T extends object
    ? { readonly [K in keyof T]?: Given<Exclude<T[K], undefined>> }
    : T;

/** Options of which only some keys must be given. */
export type Asked<T, K extends keyof T> = Pick<T, K> & Given<Omit<T, K>>;

/** The options with declared defaults in the place of keys that are left out, in bytes and milliseconds. The file's parser has done so already. */
export function withDefaults<T>(schema: JsonSchema, given: object): T {
  const value: Record<string, unknown> = { ...(given as object) };
  for (const [key, option] of Object.entries((schema['properties'] ?? {}) as { readonly [key: string]: JsonSchema })) {
    const inside = option['properties'] !== undefined;
    if (value[key] === undefined && 'default' in option) value[key] = inside ? option['default'] : defaultOf(option);
    if (inside && typeof value[key] === 'object') value[key] = withDefaults(option, value[key] as object);
  }
  return value as T;
}

function defaultOf(option: JsonSchema): unknown {
  const { default: value, format } = option;
  const unit = typeof format === 'string' ? unitFormats[format] : undefined;
  return unit === undefined || typeof value !== 'string' ? value : unit.parse(value);
}

/** Whether a value of this schema holds a secret anywhere (I11). */
export function holdsSecret(schema: unknown): boolean {
  if (typeof schema !== 'object' || schema === null) return false;
  return 'secret' in schema || Object.values(schema).some(holdsSecret);
}
