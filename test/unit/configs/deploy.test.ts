import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';
import { loadPipeline } from '../../../core/config/load.ts';
import { formatProblem } from '../../../core/config/problem.ts';
import { Registry } from '../../../core/registry/registry.ts';
import { builtins } from '../../../plugins/builtins.ts';

/** docker-compose.yml, the Dockerfile and the systemd unit: that they fit the product, and what linters say. */
const root = fileURLToPath(new URL('../../../', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'pgsluice-deploy-'));
after(() => rmSync(folder, { recursive: true }));
const read = (file: string) => readFileSync(join(root, file), 'utf8');

const missing = (program: string) =>
  spawnSync(program, ['--version']).error !== undefined && `no ${program} here: its findings were NOT looked at`;

interface Service {
  readonly command?: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  readonly ports: readonly string[];
  readonly volumes?: readonly string[];
  readonly depends_on?: Readonly<Record<string, unknown>>;
}
const { services } = parse(read('docker-compose.yml')) as { services: Readonly<Record<string, Service>> };

test('the composed pipeline is valid with the environment of its service, and names services that it waits for', async () => {
  const { command, environment, depends_on: waits, volumes, ports } = services['pgsluice']!;
  const [verb, file] = command!;
  assert.equal(verb, 'run');
  const [there, mounted] = volumes![0]!.split(':');
  assert.match(read('Dockerfile'), new RegExp(`^WORKDIR ${mounted}$`, 'm'));
  const result = await loadPipeline(join(root, there!, file!), new Registry(builtins), environment);
  if (!result.ok) assert.fail(result.problems.map(formatProblem).join('\n'));
  const hosts = [
    ...['SOURCE_URL', 'TARGET_URL'].map((name) => new URL(environment[name]!).hostname),
    environment['KAFKA_BROKER']!.split(':')[0]!,
  ];
  assert.deepEqual(Object.keys(waits!), hosts);
  for (const host of hosts) assert.ok(services[host] !== undefined, host);
  const port = read('configs/compose/shop.yaml').match(/^http: 0\.0\.0\.0:(\d+)$/m)?.[1];
  assert.match(ports[0]!, new RegExp(`:${port}$`));
  assert.match(read('Dockerfile'), new RegExp(`http://127\\.0\\.0\\.1:${port}/healthz`));
});

test('Kafka advertises the address that the pipeline asks', () => {
  const { KAFKA_ADVERTISED_LISTENERS: advertised, KAFKA_LISTENERS: listeners } = services['kafka']!.environment;
  const { KAFKA_BROKER: broker } = services['pgsluice']!.environment;
  assert.ok(advertised!.split(',').includes(`INTERNAL://${broker}`));
  assert.ok(listeners!.split(',').includes(`INTERNAL://:${broker!.split(':')[1]}`));
});

test('systemd takes the unit, and finds it closed', { skip: missing('systemd-analyze') }, () => {
  // The program of the unit has to be there for the check: Node stands for it.
  const unit = read('configs/systemd/pgsluice@.service').replace('/usr/local/bin/pgsluice', process.execPath);
  const file = join(folder, 'pgsluice@.service');
  writeFileSync(file, unit);
  const verified = spawnSync('systemd-analyze', ['verify', '--man=no', file], { encoding: 'utf8' });
  assert.deepEqual([verified.status, verified.stdout, verified.stderr], [0, '', '']);
  const closed = spawnSync('systemd-analyze', ['security', '--offline=yes', '--threshold=30', '--no-pager', file], {
    encoding: 'utf8',
  });
  assert.equal(closed.status, 0, closed.stdout + closed.stderr);
});

test('hadolint finds nothing in the Dockerfile', { skip: missing('hadolint') }, () => {
  const ran = spawnSync('hadolint', [join(root, 'Dockerfile')], { encoding: 'utf8' });
  assert.deepEqual([ran.status, ran.stdout], [0, '']);
});
