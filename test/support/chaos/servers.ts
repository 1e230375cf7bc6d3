/**
 * A crash ends processes, not the machine: what the operating system has survives without fsync, what is in the server's
 * WAL buffers does not. The walsender of a connection that went silent is gone after some seconds.
 */
export const chaosSettings: Readonly<Record<string, string>> = {
  fsync: 'off',
  wal_sender_timeout: '8s',
  shared_buffers: '32MB',
  // Commits with synchronous_commit off stay long enough in memory for a crash to lose them.
  wal_writer_delay: '10s',
  wal_writer_flush_after: '64MB',
  log_min_messages: 'fatal',
};

const pairs = [
  [17, 17],
  [15, 17],
  [14, 18],
] as const;

/** Source and target major of a seed; neighbours share them, as starting servers costs more than a seed. */
export function pairOf(seed: number): readonly [number, number] {
  return pairs[Math.floor(seed / 7) % pairs.length]!;
}
