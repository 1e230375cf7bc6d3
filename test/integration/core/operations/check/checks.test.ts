import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { connect, createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import pg from 'pg';
import { withDefaults } from '../../../../../core/base/options.ts';
import { type PostgresSinkOptions, postgresSinkOptions } from '../../../../../plugins/sink-postgres/options.ts';
import type { Finding, Surroundings } from '../../../../../core/api/check.ts';
import { serverFindings } from '../../../../../plugins/sink-postgres/checks/check.ts';
import {
  surroundingFindings,
  type TargetSurroundings,
} from '../../../../../plugins/sink-postgres/checks/surroundings.ts';
import type { CheckInput } from '../../../../../plugins/source-postgres/checks/check.ts';
import { serverVersion } from '../../../../../plugins/source-postgres/checks/server.ts';
import { ageFinding } from '../../../../../plugins/source-postgres/checks/timing.ts';
import { transactionsOlderThan } from '../../../../../plugins/source-postgres/checks/transactions.ts';
import { cli, pipelineFile } from '../../../../support/cli.ts';
import { openWriter } from '../../../../support/live.ts';
import { database, ownServer, server } from '../../../../support/servers.ts';
import { calm, postgresSource } from '../../../../support/source-context.ts';

type Some = Pick<Finding, 'check' | 'level' | 'message' | 'remedy'>;
const bad = (found: readonly Some[]) => found.filter(({ level }) => level !== 'ok');
const sinkOptions = (more: object = {}) => withDefaults<PostgresSinkOptions>(postgresSinkOptions, { url: '', ...more });
const names = (found: readonly Some[]) => bad(found).map(({ check, level }) => `${check} ${level}`);

async function checked(file: string): Promise<readonly Finding[]> {
  const { stdout, stderr } = await cli(['check', file, '--json']);
  assert.equal(stderr, '');
  return (JSON.parse(stdout) as { findings: Finding[] }).findings;
}

test('what the target lacks of the source around its tables is found on two servers, with what mends it', async () => {
  const [source, target] = [await database(await server(18), 'sur'), await database(await server(14), 'sur')];
  const role = `role_${source.name}`;
  await source.query(`CREATE ROLE ${role}; CREATE TABLE t (id int PRIMARY KEY); ALTER TABLE t OWNER TO ${role};
    CREATE EXTENSION pg_stat_statements`);
  const file = await pipelineFile(`
pipeline: ${source.name}
ddl: follow
source: { plugin: postgres, url: "${source.url}" }
sinks: [{ plugin: postgres, url: "${target.url}" }]
`);
  const found = await checked(file);
  await source.query(`DROP OWNED BY ${role}; DROP ROLE ${role}`);
  assert.deepEqual(names(found), ['target-direction warning', 'target-extensions warning', 'target-roles warning']);
  assert.match(bad(found)[1]!.message, /pg_stat_statements is 1\.\d+ on the source, the target has 1\.9/);
  assert.equal(bad(found)[2]!.remedy, `CREATE ROLE "${role}";`);
  assert.match(found.find(({ check }) => check === 'target-disk')!.message, /about \d+ MB/);
  assert.equal(found.find(({ check }) => check === 'event-triggers')!.level, 'ok');
});

test('event triggers that the role may not make', async () => {
  const db = await database(await server(17), 'evt');
  const role = `role_${db.name}`;
  await db.query(`CREATE ROLE ${role} LOGIN PASSWORD 'local-only'`);
  await using source = postgresSource({ url: db.server.url(db.name, role) }, db.name);
  const found: Finding[] = [];
  await source.ddl.check({ add: (finding) => void found.push(finding) }, calm);
  await db.query(`DROP ROLE ${role}`);
  assert.deepEqual(names(found), ['event-triggers warning']);
});

const source: Surroundings = {
  version: 170004,
  encoding: 'UTF8',
  locale: 'en_US.UTF-8 / en_US.UTF-8',
  schemas: ['public', 'shop'],
  extensions: [{ name: 'postgis', version: '3.10.1' }],
  roles: [{ name: 'shop', attributes: ['LOGIN'], settings: [], named: ['owns 2 objects'], owns: true }],
  memberships: [],
  collations: ['sv_SE'],
  bytes: 5e9,
};
const target: TargetSurroundings = {
  version: 170004,
  encoding: 'UTF8',
  locale: 'en_US.UTF-8 / en_US.UTF-8',
  extensions: new Map([['postgis', '3.10.1']]),
  roles: {
    there: new Set(['shop']),
    ownable: new Set(['shop']),
    superusers: new Set<string>(),
    superuser: true,
    version: 170004,
  },
  memberships: new Set(),
  user: 'me',
  collations: new Set(['sv_SE']),
  closed: ['cron', 'pg_catalog'],
};

const noRoles = {
  there: new Set<string>(),
  ownable: new Set<string>(),
  superusers: new Set<string>(),
  superuser: true,
  version: 170004,
};

test('collations, encoding, locale, extensions and roles: each difference by itself', () => {
  const differing = (more: Partial<TargetSurroundings>, options = {}) =>
    names(surroundingFindings(source, { ...target, ...more }, sinkOptions(options)));
  assert.deepEqual(differing({}), []);
  assert.deepEqual(differing({ collations: new Set() }), ['target-collations error']);
  assert.deepEqual(differing({ closed: ['shop', 'public'] }), ['target-create error', 'target-create error']);
  assert.deepEqual(differing({ closed: ['shop'] }, { schema: { exclude: { schemas: ['shop'] } } }), []);
  assert.deepEqual(differing({ closed: ['shop'] }, { schema: 'existing' }), []);
  assert.deepEqual(differing({ encoding: 'LATIN1' }), ['target-locale warning']);
  assert.deepEqual(differing({ locale: 'C / C' }), ['target-locale warning']);
  assert.deepEqual(differing({ extensions: new Map() }), ['target-extensions error']);
  assert.deepEqual(differing({ extensions: new Map([['postgis', '3.9.9']]) }), ['target-extensions warning']);
  assert.deepEqual(differing({ roles: noRoles }), ['target-roles warning']);
  assert.deepEqual(differing({ roles: noRoles }, { owners: 'keep' }), ['target-roles error']);
  assert.deepEqual(differing({ roles: noRoles }, { owners: 'skip' }), []);
  assert.deepEqual(differing({ extensions: new Map(), roles: noRoles }, { schema: 'existing' }), []);
});

test('the target as a server: each lack by itself', () => {
  const facts = {
    version: 170000,
    encoding: 'UTF8',
    database: 'd',
    user: 'u',
    mayCreate: true,
    superuser: true,
    replica: true,
    readOnly: false,
    freeConnections: 50,
  };
  const lacking = (more: Partial<typeof facts>) => names(serverFindings({ ...facts, ...more }, sinkOptions()));
  assert.deepEqual(lacking({}), []);
  assert.deepEqual(lacking({ version: 130010 }), ['target-version error']);
  assert.deepEqual(lacking({ readOnly: true }), ['target-writable error']);
  assert.deepEqual(lacking({ encoding: 'SQL_ASCII' }), ['target-encoding warning']);
  assert.deepEqual(lacking({ mayCreate: false }), ['target-create error']);
  assert.deepEqual(lacking({ replica: false, superuser: false }), ['target-replication-role warning']);
  assert.deepEqual(lacking({ freeConnections: 3 }), ['target-connections error']);
  assert.ok(
    serverFindings({ ...facts, superuser: false }, sinkOptions()).some((f) => f.check === 'target-foreign-keys'),
  );
});

test('a pooler in between: the backend is not the one that greeted us', async () => {
  const db = await database(await server(17), 'pool');
  await db.query('CREATE TABLE t (id int PRIMARY KEY)');
  const to = Number(new URL(db.url).port);
  // As a pooler does, it greets with a key of its own making (manual: BackendKeyData).
  const pooler = createServer((client) => {
    const upstream = connect(to, '127.0.0.1');
    client.on('error', () => upstream.destroy());
    upstream.on('error', () => client.destroy());
    client.pipe(upstream);
    upstream.on('data', (data) => {
      const at = data.indexOf(Buffer.from([0x4b, 0, 0, 0, 12]));
      if (at >= 0) data.writeInt32BE(data.readInt32BE(at + 5) + 1000, at + 5);
      client.write(data);
    });
    upstream.on('end', () => client.end());
  });
  await new Promise<void>((resolve) => pooler.listen(0, '127.0.0.1', resolve));
  const url = new URL(db.url);
  url.port = String((pooler.address() as AddressInfo).port);
  await using through = postgresSource({ url: url.href, snapshot: { workers: 1 } }, db.name);
  const found: Finding[] = [];
  await through.check({ add: (finding) => void found.push(finding) }, calm);
  await new Promise((resolve) => pooler.close(resolve));
  assert.deepEqual(names(found), ['pooler error']);
});

test('a standby as the source', async () => {
  const own = await ownServer(17);
  await own.query('CREATE TABLE t (id int PRIMARY KEY)');
  await own.stop();
  writeFileSync(join(own.directory, 'data', 'standby.signal'), '');
  await own.startAgain();
  await using source = postgresSource({ url: own.url(), snapshot: { workers: 1 } }, 'standby');
  const found: Finding[] = [];
  await source.check({ add: (finding) => void found.push(finding) }, calm);
  assert.ok(names(found).includes('standby error'), names(found).join());
});

test('old transactions, old transaction ids, and a version of before', async () => {
  const db = await database(await server(17), 'old');
  await db.query('CREATE TABLE t (id int PRIMARY KEY)');
  const writer = await openWriter(db.url);
  await writer.query('BEGIN; INSERT INTO t VALUES (1)');
  const client = new pg.Client({ connectionString: db.url });
  await client.connect();
  const found: Finding[] = [];
  const report = { add: (finding: Finding) => void found.push(finding) };
  const input = { client, report, catalog: { identity: { version: 130022 } } } as unknown as CheckInput;
  await transactionsOlderThan(input, 0);
  await serverVersion(input);
  await client.end();
  await writer.end();
  assert.ok(names(found).includes('long-transaction warning'));
  assert.match(bad(found)[0]!.remedy!, /pg_terminate_backend\(\d+\)/);
  assert.ok(names(found).includes('server-version error'));
  assert.deepEqual(
    names([ageFinding(10, 200_000_000), ageFinding(230_000_000, 200_000_000), ageFinding(1_900_000_000, 2e8)]),
    ['transaction-age warning', 'transaction-age error'],
  );
});
