/*
 * A key in a header, as Connect's SimpleHeaderConverter writes a struct: JSON in which strings escape quotes and backslashes only, numbers
 * are Java's (a decimal is no base64), and dates are bare.
 */

const strings = /"(?:[^"\\]|\\.)*"/g;

/** A value's JSON in that form. */
export function headerText(json: string): string {
  return json.replace(strings, (one) => `"${headerString(JSON.parse(one) as string)}"`);
}

export function headerString(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('"', '\\"');
}

const day = 86_400_000;

/** Dates of Connect (`time: connect`): by what they look like, a time of day, a date, or a moment. */
export function instantHeader(encoded: string, kind: 'date' | 'ms'): string {
  const millis = kind === 'date' ? Number(encoded) * day : Number(encoded);
  const iso = new Date(millis).toISOString();
  if (millis < day) return iso.slice(11);
  return millis % day === 0 ? iso.slice(0, 10) : iso;
}
