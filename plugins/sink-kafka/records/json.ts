// oxlint-disable-next-line no-control-regex
const needsEscape = /["\\\u0000-\u001f\ud800-\udfff]/;
// oxlint-disable-next-line no-control-regex
const everyEscape = /["\\\u0000-\u001f\ud800-\udfff]/g;
// oxlint-disable-next-line no-control-regex
const plainEscape = /["\\\u0000-\u001f]/g;
const escapes = new Map<string, string>([
  ['"', '\\"'],
  ['\\', '\\\\'],
  ['\b', '\\b'],
  ['\f', '\\f'],
  ['\n', '\\n'],
  ['\r', '\\r'],
  ['\t', '\\t'],
]);

/**
 * A JSON string of text, byte for byte as Jackson writes it to bytes: only what must be is escaped, and characters beyond U+FFFF,
 * each half of the pair by itself. Hex digits are in upper case.
 */
export function jsonString(text: string): string {
  return needsEscape.test(text) ? `"${text.replace(everyEscape, escaped)}"` : `"${text}"`;
}

/** As Jackson writes it to characters, where JSON is the content of a string: characters beyond U+FFFF stay. */
export function plainJsonString(text: string): string {
  return `"${text.replace(plainEscape, escaped)}"`;
}

function escaped(c: string): string {
  return escapes.get(c) ?? `\\u${c.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0')}`;
}
