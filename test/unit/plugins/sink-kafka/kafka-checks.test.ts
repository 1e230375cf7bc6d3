import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Finding } from '../../../../core/api/check.ts';
import type { TablePlan } from '../../../../core/api/plan.ts';
import { checkKafka } from '../../../../plugins/sink-kafka/checks.ts';
import type { TopicAdmin } from '../../../../plugins/sink-kafka/client/producer.ts';
import type { Access } from '../../../../plugins/sink-kafka/wire/access.ts';
import { kafkaError } from '../../../../plugins/sink-kafka/errors.ts';
import type { Settings } from '../../../../plugins/sink-kafka/settings.ts';

const plan = (name: string) => ({ output: { schema: 'public', name } }) as unknown as TablePlan;

const admin = {
  connect: async () => {},
  brokers: async () => 1,
  describe: async () => new Map(),
} as unknown as TopicAdmin;

const access = {
  cannotWrite: async () => [],
  cannotRead: async () => [],
  cannotCreate: async () => [],
  mayWriteAs: async () => true,
} as unknown as Access;

const settings = {
  replicationFactor: null,
  exactlyOnce: false,
  journal: null,
  events: null,
  signals: null,
  createTopics: true,
  topicOf: () => 'all',
  topicRule: () => ({ kind: 'name', name: 'all', keyMember: null }),
  byRow: () => null,
  formatOf: () => ({ rows: { key: [0] }, schemas: null }),
} as unknown as Settings;

async function findings(of: Settings, by: TopicAdmin): Promise<readonly string[]> {
  const found: Finding[] = [];
  await checkKafka(of, { admin: by, access, principal: null, copies: true }, [plan('a'), plan('b')], {
    add: (finding) => void found.push(finding),
  });
  return found.filter(({ level }) => level !== 'ok').map(({ check, level, subject }) => `${check} ${level} ${subject}`);
}

const refuse = async () => {
  throw kafkaError('PGS5001', 'not authorised');
};

test('two tables in one topic, and a table that the format cannot write', async () => {
  assert.deepEqual(await findings(settings, admin), ['kafka-topic-shared warning public.b']);
  const formatOf = (): never => {
    throw kafkaError('PGS5001', 'no such column');
  };
  const found = await findings({ ...settings, formatOf } as unknown as Settings, admin);
  assert.deepEqual(found, ['kafka-table error public.a', 'kafka-table error public.b']);
});

test('brokers that refuse, and topics that the ACLs do not let us see, are findings and no failure of the check', async () => {
  assert.deepEqual(await findings(settings, { ...admin, connect: refuse } as unknown as TopicAdmin), [
    'kafka-brokers error sink kafka',
  ]);
  assert.deepEqual(await findings(settings, { ...admin, describe: refuse } as unknown as TopicAdmin), [
    'kafka-topic-shared warning public.b',
    'kafka-topic error sink kafka',
  ]);
  assert.deepEqual(await findings({ ...settings, createTopics: false } as unknown as Settings, admin), [
    'kafka-topic-shared warning public.b',
    'kafka-topic error all',
  ]);
});

test('the registry is asked for each schema; what it does not take is an error, and one that does not answer is told once', async () => {
  const needed = (topic: string) => ['key', 'value'].map((part) => ({ subject: `${topic}-${part}` }));
  const asked = { ...settings, formatOf: () => ({ rows: { key: [0] }, schemas: {} }) };
  const withCodecs = (objection: (of: { readonly subject: string }) => Promise<string | null>) =>
    ({ ...asked, codecs: { needed, objection } }) as unknown as Settings;
  const value = async ({ subject }: { readonly subject: string }) =>
    subject === 'all-value' ? 'not compatible' : null;
  const refused = await findings(withCodecs(value), admin);
  assert.deepEqual(
    refused.filter((each) => each.startsWith('kafka-schema')),
    Array(2).fill('kafka-schema error all-value'),
  );
  const nobody = async () => {
    throw kafkaError('PGS5040', 'no answer');
  };
  const unreached = await findings(withCodecs(nobody), admin);
  assert.deepEqual(
    unreached.filter((each) => each.startsWith('kafka-reg')),
    ['kafka-registry error sink kafka'],
  );
});

test('topics that are chosen by row have no place for a TRUNCATE: kafka-truncate', async () => {
  const byRow = {
    ...settings,
    topicOf: () => null,
    topicRule: () => ({ kind: 'expr', sql: 'region' }),
    truncate: 'emit',
  };
  const found = await findings(byRow as unknown as Settings, admin);
  assert.deepEqual(found, ['kafka-truncate warning public.a', 'kafka-truncate warning public.b']);
  assert.deepEqual(await findings({ ...byRow, truncate: 'skip' } as unknown as Settings, admin), []);
});
