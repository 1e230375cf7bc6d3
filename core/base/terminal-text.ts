/** Text for a terminal: its width in columns, and control characters made harmless. */

/** Ranges of characters that take two columns (Unicode Standard Annex #11, wide and fullwidth; the common ones). */
const wide: readonly (readonly [number, number])[] = [
  [0x1100, 0x115f],
  [0x2e80, 0x303e],
  [0x3041, 0x33ff],
  [0x3400, 0x4dbf],
  [0x4e00, 0x9fff],
  [0xa000, 0xa4cf],
  [0xac00, 0xd7a3],
  [0xf900, 0xfaff],
  [0xfe30, 0xfe6f],
  [0xff00, 0xff60],
  [0xffe0, 0xffe6],
  [0x1f300, 0x1f64f],
  [0x1f900, 0x1f9ff],
  [0x20000, 0x3fffd],
];
const combining = /\p{Mark}|\p{Default_Ignorable_Code_Point}/u;

function charWidth(char: string): number {
  const code = char.codePointAt(0)!;
  if (code < 0x300) return 1;
  if (wide.some(([from, to]) => code >= from && code <= to)) return 2;
  return combining.test(char) ? 0 : 1;
}

/** Columns that the text takes. */
export function textWidth(text: string): number {
  let width = 0;
  for (const char of text) width += charWidth(char);
  return width;
}

/** The start of the text that fits, with an ellipsis where something is left out. */
export function clipText(text: string, columns: number): string {
  if (textWidth(text) <= columns) return text;
  let kept = '';
  let width = 1;
  for (const char of text) {
    width += charWidth(char);
    if (width > columns) break;
    kept += char;
  }
  return columns <= 0 ? '' : `${kept}…`;
}

/** The end of the text, filled up with spaces: of a long table name the end says more. */
export function fitName(text: string, columns: number): string {
  const width = textWidth(text);
  if (width <= columns) return text + ' '.repeat(columns - width);
  const chars = [...text];
  let rest = width;
  while (rest > columns - 1) rest -= charWidth(chars.shift()!);
  return `…${chars.join('')}${' '.repeat(columns - 1 - rest)}`;
}

/** A name may hold any character; a control character would move the cursor, or worse. */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Zl}\p{Zp}\u202a-\u202e\u2066-\u2069]/gu, '�');
}
