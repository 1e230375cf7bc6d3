// oxlint-disable-next-line no-control-regex
const needsEscape = /["\\\u0000-\u001f]/;
// oxlint-disable-next-line no-control-regex
const everyEscape = /["\\\u0000-\u001f]/g;
const escapes = new Map<string, string>([
  ['"', '\\"'],
  ['\\', '\\\\'],
  ['\b', '\\b'],
  ['\f', '\\f'],
  ['\n', '\\n'],
  ['\r', '\\r'],
  ['\t', '\\t'],
]);

/** A JSON string of text, byte for byte as Jackson writes it: only what must be is escaped, \u00XX in upper case. */
export function jsonString(text: string): string {
  if (!needsEscape.test(text)) return `"${text}"`;
  const escaped = text.replace(
    everyEscape,
    (c) => escapes.get(c) ?? `\\u00${c.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`,
  );
  return `"${escaped}"`;
}

const plain = /^-?(?:0|[1-9]\d{0,6})(?:\.\d+)?$/;
const parts = /^(-?)(\d+)(?:\.(\d+))?(?:e([+-]\d+))?$/i;

/**
 * A float4 or float8 in the server's text (shortest digits that round-trip) as Java's Double.toString prints the same
 * digits, which is what Jackson writes: `1` is 1.0, `1e+20` is 1.0E20, NaN and the infinities are strings.
 */
export function javaDouble(text: string): string {
  const match = parts.exec(text);
  if (match === null) return `"${text}"`;
  const [, sign = '', whole = '', fraction = '', exponent = '0'] = match;
  if (exponent === '0' && plain.test(text) && (whole !== '0' || !fraction.startsWith('000'))) {
    return fraction === '' ? `${text}.0` : text;
  }
  const all = (whole + fraction).replace(/^0+/, '');
  const digits = all.replace(/0+$/, '');
  if (digits === '') return `${sign}0.0`;
  // Position of the decimal point relative to the first digit that is not 0.
  const point = all.length - fraction.length + Number(exponent);
  if (point > 7 || point < -2) {
    return `${sign}${digits[0]}.${digits.slice(1) || '0'}E${point - 1}`;
  }
  if (point <= 0) return `${sign}0.${'0'.repeat(-point)}${digits}`;
  return `${sign}${digits.slice(0, point).padEnd(point, '0')}.${digits.slice(point) || '0'}`;
}
