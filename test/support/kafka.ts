import { randomBytes } from 'node:crypto';
import { after, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import kafkajs from 'kafkajs';
import { withoutNegativeTimers } from '../../plugins/sink-kafka/client/kafkajs-timers.ts';
import { type BrokerSettings, LocalBroker } from '../../scripts/kafka/broker.ts';
import { kafkaVersions, missingTools } from '../../scripts/kafka/resolve.ts';

/**
 * Brokers for tests. KAFKA_BROKERS names one that is there; else a node is started, one per file. Where that cannot be, the
 * file says so and is left out, and fails under CI=true. To be called at the top of a file, before its tests.
 */
export async function kafkaAvailable(): Promise<boolean> {
  if (process.env['KAFKA_BROKERS'] !== undefined) return true;
  const why = await missingTools();
  if (why === null) {
    // Here, at the top of the file: a hook that is registered within a test runs at the end of that test.
    after(async () => (await shared?.catch(() => null))?.remove());
    return true;
  }
  return leftOut(`KAFKA TESTS LEFT OUT: ${why}, and KAFKA_BROKERS is not set`);
}

/** For tests that stop their broker or configure it: a foreign one is of no use to them. */
export async function ownBrokersAvailable(): Promise<boolean> {
  const why = await missingTools();
  return why === null || leftOut(`KAFKA TESTS THAT NEED A BROKER OF THEIR OWN LEFT OUT: ${why}`);
}

function leftOut(message: string): false {
  process.stderr.write(`\n*** ${message} ***\n\n`);
  if (process.env['CI'] === 'true') {
    test('a Kafka broker is available', () => {
      throw new Error(message);
    });
  }
  return false;
}

/** kafkajs's admin client for what tests set up. */
export function testAdmin(address: string): kafkajs.Admin {
  withoutNegativeTimers();
  return new kafkajs.Kafka({ brokers: [address], logLevel: kafkajs.logLevel.NOTHING }).admin();
}

/** Lets a principal do these things with topics, and waits until the broker itself knows of it. */
export async function allow(
  address: string,
  to: Pick<kafkajs.AclEntry, 'principal' | 'resourceName' | 'resourcePatternType'>,
  operations: readonly kafkajs.AclOperationTypes[],
): Promise<void> {
  const { AclOperationTypes, AclPermissionTypes, AclResourceTypes } = kafkajs;
  const rule = { ...to, resourceType: AclResourceTypes.TOPIC, host: '*' };
  const permissionType = AclPermissionTypes.ALLOW;
  const admin = testAdmin(address);
  try {
    await admin.connect();
    await admin.createAcls({ acl: operations.map((operation) => ({ ...rule, operation, permissionType })) });
    const any = { ...rule, operation: AclOperationTypes.ANY, permissionType };
    for (;;) {
      // The controller answers when it has written them down; the broker reads them a moment later.
      const { resources } = await admin.describeAcls(any);
      if (resources.reduce((sum, { acls }) => sum + acls.length, 0) >= operations.length) return;
      await sleep(20);
    }
  } finally {
    await admin.disconnect();
  }
}

let shared: Promise<LocalBroker> | null = null;

/** Addresses of the broker that tests of a file share. */
export async function brokers(): Promise<readonly string[]> {
  const named = process.env['KAFKA_BROKERS'];
  if (named !== undefined) return named.split(',');
  return [(await localBroker()).address];
}

/** The local node of this file, for its command-line tools. */
export function localBroker(): Promise<LocalBroker> {
  if (shared === null) {
    shared = LocalBroker.start(kafkaVersions.current);
  }
  return shared;
}

/** A node for tests that kill it. */
export async function ownBroker(
  version: string = kafkaVersions.current,
  more: BrokerSettings = {},
): Promise<LocalBroker> {
  const own = await LocalBroker.start(version, more);
  after(() => own.remove());
  return own;
}

/** A name that no other test uses. */
export function unique(prefix = 't'): string {
  return `${prefix}_${randomBytes(5).toString('hex')}`;
}
