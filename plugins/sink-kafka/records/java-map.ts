/** A list of this length in one bucket doubles a table of less than {@link treeSize} buckets. */
const longList = 8;
const treeSize = 64;

/** Keys in the order in which a java.util.HashMap of `size` buckets (a power of two) gives them after they were put into it. */
export function hashOrder<K>(keys: readonly K[], hashCode: (key: K) => number, firstSize = 16): readonly K[] {
  let size = firstSize;
  let buckets: { readonly key: K; readonly hash: number }[][] = [];
  let count = 0;
  const put = (entry: { readonly key: K; readonly hash: number }) =>
    (buckets[entry.hash & (size - 1)] ??= []).push(entry);
  const grow = () => {
    size *= 2;
    const all = buckets.flat();
    buckets = [];
    all.forEach(put);
  };
  for (const key of keys) {
    const hash = hashCode(key);
    // HashMap mixes the upper half into the lower.
    if (put({ key, hash: hash ^ (hash >>> 16) }) > longList && size < treeSize) grow();
    if (++count > size * 0.75) grow();
  }
  return Array.from({ length: size }, (_, i) => buckets[i] ?? []).flatMap((bucket) => bucket.map(({ key }) => key));
}

/** String.hashCode */
export function stringHash(text: string): number {
  let hash = 0;
  for (let i = 0; i < text.length; i++) hash = (Math.imul(hash, 31) + text.charCodeAt(i)) | 0;
  return hash;
}
