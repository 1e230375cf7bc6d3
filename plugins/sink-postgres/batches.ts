/** Splits a list into pieces: a transaction that touches thousands of tables exhausts the server's lock table. */
export function batches<T>(list: readonly T[], size: number): T[][] {
  const result: T[][] = [];
  for (let at = 0; at < list.length; at += size) result.push(list.slice(at, at + size));
  return result;
}
