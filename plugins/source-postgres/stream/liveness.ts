/** Decisions about time, without clocks and sockets. All times in milliseconds. */

export type Liveness = 'fine' | 'ask' | 'dead';

/**
 * Judges a silent server. A stream that is not being read (backpressure) shows nothing about the server. After half of
 * the limit without a byte: ask for a reply; after all of it: the connection is dead although TCP has not noticed.
 */
export function liveness(silentFor: number, limit: number, reading: boolean): Liveness {
  if (!reading || silentFor < limit / 2) return 'fine';
  return silentFor < limit ? 'ask' : 'dead';
}

/**
 * How often to send a status. The server ends a connection that is silent for wal_sender_timeout (0: never), and a busy
 * event loop delays timers, so three statuses fit in that time.
 */
export function statusEvery(asked: number, walSenderTimeout: number): number {
  const most = walSenderTimeout > 0 ? Math.floor(walSenderTimeout / 3) : asked;
  return Math.max(10, Math.min(asked, most));
}

/** WAL pages of 8 kB begin with a header of 24 bytes, or 40 in the first of a segment (xlog_internal.h). */
const PAGE = 8192n;
const PAGE_HEADER = 40n;

/**
 * Whether a server that has read WAL up to `walEnd` has passed `until`. A position may be given as the end of a page or
 * as the place after the next page's header; no record fits between the two.
 */
export function passed(walEnd: bigint, until: bigint): boolean {
  return walEnd >= until || (walEnd % PAGE === 0n && until - walEnd <= PAGE_HEADER);
}
