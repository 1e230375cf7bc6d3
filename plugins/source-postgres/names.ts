import { createHash } from 'node:crypto';

/**
 * Default name of slot and publication. A slot's name may hold a-z, 0-9 and _ only, 63 bytes at most (manual:
 * "Querying and Manipulating Replication Slots"); a pipeline name that does not fit gets a piece of its hash, so that two
 * pipelines never share a slot.
 */
export function defaultName(pipeline: string): string {
  const plain = `pgsluice_${pipeline}`;
  if (/^[a-z0-9_]{1,63}$/.test(plain)) return plain;
  const mapped = plain.toLowerCase().replace(/[^a-z0-9_]+/g, '_');
  return `${mapped.slice(0, 54)}_${createHash('sha256').update(pipeline).digest('hex').slice(0, 8)}`;
}

/** Slot and publication for tables that are copied beside the stream; from a pipeline's own names, within the same bounds. */
export function besideOf(of: { readonly slot: string; readonly publication: string }): {
  readonly slot: string;
  readonly publication: string;
} {
  return { slot: beside(of.slot), publication: beside(of.publication) };
}

function beside(name: string): string {
  const whole = `${name}_copy`;
  if (Buffer.byteLength(whole) <= 63) return whole;
  const hash = createHash('sha256').update(name).digest('hex').slice(0, 8);
  return `${Buffer.from(name)
    .subarray(0, 48)
    .toString('latin1')
    .replace(/[^a-z0-9_]+/g, '_')}_${hash}_copy`;
}
