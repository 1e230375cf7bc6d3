const sizes: Readonly<Record<string, number>> = {
  B: 1,
  KB: 1024,
  KIB: 1024,
  MB: 1024 ** 2,
  MIB: 1024 ** 2,
  GB: 1024 ** 3,
  GIB: 1024 ** 3,
  TB: 1024 ** 4,
  TIB: 1024 ** 4,
};
const durations: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  min: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};
const form = /^(\d+(?:\.\d+)?)\s*([A-Za-z]+)$/;

/** Bytes of `64MB`, `1.5GB`, `512kB`, `1MiB`: powers of 1024 in either spelling, as PostgreSQL reads them. Null: not a size. */
export function parseSize(text: string): number | null {
  const match = form.exec(text.trim());
  const unit = match === null ? undefined : sizes[match[2]!.toUpperCase()];
  return unit === undefined ? null : whole(Number(match![1]) * unit);
}

/** Milliseconds of `500ms`, `30s`, `5m` (or `5min`), `2h`, `1d`. Null: not a duration. */
export function parseDuration(text: string): number | null {
  const match = form.exec(text.trim());
  const unit = match === null ? undefined : durations[match[2]!];
  return unit === undefined ? null : whole(Number(match![1]) * unit);
}

/** Bytes per second of `50MB/s`. Null: not a rate. */
export function parseRate(text: string): number | null {
  const match = /^(.*?)\s*\/\s*s$/.exec(text.trim());
  return match === null ? null : parseSize(match[1]!);
}

function whole(value: number): number | null {
  const rounded = Math.round(value);
  return Number.isSafeInteger(rounded) ? rounded : null;
}

/** Our own JSON Schema formats, with the words for them in messages. */
export const unitFormats: Readonly<
  Record<string, { readonly parse: (text: string) => number | null; readonly means: string }>
> = {
  size: { parse: parseSize, means: 'a size with a unit, such as 64MB, 512kB or 1.5GB' },
  duration: { parse: parseDuration, means: 'a duration with a unit, such as 500ms, 30s, 5m, 2h or 1d' },
  rate: { parse: parseRate, means: 'a rate such as 50MB/s' },
};
