/** Of JavaScript engines that keep the digits of numbers (Node 22 and later); the type declarations lack it. */
interface RawJson {
  rawJSON(text: string): unknown;
  parse(
    text: string,
    reviver: (key: string, value: unknown, context: { readonly source?: string }) => unknown,
  ): unknown;
}

/**
 * JSON text without white space, numbers with the digits that they had; null: it is no JSON object or array, as Debezium's EventRouter
 * asks for. `nulls`: members that are null stay.
 */
export function expandJson(text: string, nulls: boolean): string | null {
  if (!/^\s*[{[]/.test(text)) return null;
  const raw = JSON as unknown as RawJson;
  try {
    const value = raw.parse(text, function (this: unknown, _key, one, { source }) {
      if (typeof one === 'number' && source !== undefined) return raw.rawJSON(source);
      return one === null && !nulls && !Array.isArray(this) ? undefined : one;
    });
    return JSON.stringify(value);
  } catch {
    return null;
  }
}
