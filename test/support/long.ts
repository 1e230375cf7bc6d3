/** `PGSLUICE_LONG=1`: the long form of the suite, with every pair of versions and every seed. */
export const long = process.env['PGSLUICE_LONG'] === '1';

/** Why a test is left out; false: it is not. For tests that take tens of seconds and of which the short form has a smaller one. */
export const onlyLong = long ? false : 'in the long form alone: PGSLUICE_LONG=1';

/** The first `count` cases, which differ least from the others in what they cover; all of them in the long form. */
export function short<T>(count: number, cases: readonly T[]): readonly T[] {
  return long ? cases : cases.slice(0, count);
}
