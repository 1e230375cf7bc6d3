/** What stands for the open row, and for the position, in a record's text: characters that JSON text cannot hold as they are. */
export const rowMark = '\u0001';
export const lsnMark = '\u0002';

/** A record's text, the same for all rows of one moment, cut where the row and the position of each go. */
export interface Template {
  /** One more than `marks`. */
  readonly segments: readonly Uint8Array[];
  /** True: the row goes here; false: the position. */
  readonly rows: readonly boolean[];
}

export function templateOf(text: string): Template {
  const bytes = Buffer.from(text);
  const segments: Uint8Array[] = [];
  const rows: boolean[] = [];
  let from = 0;
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i] as number;
    if (byte > 2) continue;
    segments.push(bytes.subarray(from, i));
    rows.push(byte === 1);
    from = i + 1;
  }
  segments.push(bytes.subarray(from));
  return { segments, rows };
}
