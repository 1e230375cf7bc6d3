/** JSON Schema (2020-12 subset that ajv checks in strict mode). */
export type JsonSchema = { readonly [key: string]: unknown };
