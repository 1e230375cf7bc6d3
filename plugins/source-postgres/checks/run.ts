import type { Check, CheckInput } from './check.ts';
import { connections, pooler } from './connections.ts';
import { largeObjects, rowSecurity, sequences, subscriptions } from './contents.ts';
import { failover } from './failover.ts';
import { ownership } from './ownership.ts';
import { privileges } from './privileges.ts';
import { replicaIdentity } from './replica-identity.ts';
import { replicas } from './replicas.ts';
import { replicationSlots } from './replication-slots.ts';
import { originFilter, serverVersion, synchronousStandby, walKeepSize } from './server.ts';
import { service } from './service.ts';
import { standby } from './standby.ts';
import { timeouts, transactionAge } from './timing.ts';
import { longTransactions, preparedTransactions } from './transactions.ts';
import { walLevel } from './wal-level.ts';
import { walsenders } from './walsenders.ts';

/** In the order of the report. Each runs a few queries and changes nothing. */
const checks: readonly Check[] = [
  serverVersion,
  service,
  originFilter,
  standby,
  replicas,
  pooler,
  walLevel,
  replicationSlots,
  failover,
  ownership,
  walsenders,
  synchronousStandby,
  connections,
  walKeepSize,
  privileges,
  replicaIdentity,
  rowSecurity,
  longTransactions,
  preparedTransactions,
  timeouts,
  transactionAge,
  largeObjects,
  sequences,
  subscriptions,
];

/** A copy without a stream needs none of these, and works on a standby, too. */
const forStream: ReadonlySet<Check> = new Set([
  originFilter,
  standby,
  replicas,
  walLevel,
  replicationSlots,
  failover,
  ownership,
  walsenders,
  synchronousStandby,
  walKeepSize,
  replicaIdentity,
  longTransactions,
  preparedTransactions,
  timeouts,
  transactionAge,
]);

export async function runChecks(input: CheckInput, signal: AbortSignal): Promise<void> {
  const streaming = input.options.snapshot.mode !== 'initial_only';
  for (const check of checks) {
    if (!streaming && forStream.has(check)) continue;
    signal.throwIfAborted();
    await check(input);
  }
}
