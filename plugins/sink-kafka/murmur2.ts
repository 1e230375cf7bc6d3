const seed = 0x9747b28c | 0;
const m = 0x5bd1e995;

/**
 * The 32-bit hash that Java's default partitioner takes of the serialized key (org.apache.kafka.common.utils.Utils.murmur2).
 * Returns a signed 32-bit integer, as Java does. `length`: bytes that count, where the array is longer.
 */
export function murmur2(data: Uint8Array, length: number = data.length): number {
  const whole = length & ~3;
  let h = seed ^ length;
  for (let i = 0; i < whole; i += 4) {
    let k = at(data, i) | (at(data, i + 1) << 8) | (at(data, i + 2) << 16) | (at(data, i + 3) << 24);
    k = Math.imul(k, m);
    k ^= k >>> 24;
    h = Math.imul(h, m) ^ Math.imul(k, m);
  }
  const rest = length - whole;
  if (rest === 3) h ^= at(data, whole + 2) << 16;
  if (rest >= 2) h ^= at(data, whole + 1) << 8;
  if (rest >= 1) h = Math.imul(h ^ at(data, whole), m);
  h ^= h >>> 13;
  h = Math.imul(h, m);
  return h ^ (h >>> 15);
}

function at(data: Uint8Array, index: number): number {
  return data[index] as number;
}

/** Partition of a key among `count`, as Java's default partitioner chooses it. */
export function partitionOf(key: Uint8Array, count: number): number {
  return (murmur2(key) & 0x7fff_ffff) % count;
}
