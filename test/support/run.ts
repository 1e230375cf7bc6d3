import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { LocalServer } from '../../core/servers/local-server.ts';
import { testSettings } from './servers.ts';

/**
 * `npm test`: starts one server per major, runs every test file against them, stops them.
 * `npm test -- unit integration/catalog` runs the files whose path holds one of the words.
 */
const wanted = process.argv.slice(2).filter((word) => !word.startsWith('-'));
const all = globSync('test/{unit,integration,property,conformance,chaos,fuzz,e2e,golden}/**/*.test.ts').sort();
const files = wanted.length === 0 ? all : all.filter((file) => wanted.some((word) => file.includes(word)));
if (files.length === 0) {
  console.error(`no test file matches ${wanted.join(' ')}`);
  process.exit(1);
}

// The tests start the program hundreds of times: from sources newer than the bundle each start takes three times the CPU.
spawnSync(process.execPath, ['scripts/prepare.js'], { stdio: 'ignore' });

const root = join(import.meta.dirname, '../..');
const needServers = files.some((file) => !file.startsWith('test/unit/'));
// A run of a few files starts just the majors that they name; one that is missed starts in the process that asks for it.
const named = new Set(
  files
    .flatMap((file) => readFileSync(file, 'utf8').match(/\b1[4-8]\b/g) ?? [])
    .values()
    .map(Number),
);
const majors = needServers ? [14, 15, 16, 17, 18].filter((major) => wanted.length === 0 || named.has(major)) : [];
const servers = await Promise.all(majors.map((major) => LocalServer.start({ major, settings: testSettings })));
const stop = async () => {
  await Promise.all(servers.map((server) => server.remove()));
};
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => void stop().then(() => process.exit(130)));
}
const ports = Object.fromEntries(servers.map((server) => [server.major, server.port]));
const reporters = ['spec', join(import.meta.dirname, 'stderr-reporter.ts')].flatMap((name) => [
  `--test-reporter=${name}`,
  '--test-reporter-destination=stdout',
]);
const options = ['--test', '--test-concurrency=2', '--test-timeout=600000', ...reporters];
const child = spawn(process.execPath, [...options, ...files], {
  stdio: ['ignore', 'pipe', 'inherit'],
  env: {
    ...process.env,
    PGSLUICE_TEST_SERVERS: JSON.stringify(ports),
    // Stripping the types of what each file imports would take a quarter of its start.
    NODE_COMPILE_CACHE: process.env['NODE_COMPILE_CACHE'] ?? join(root, '.cache/node'),
    FORCE_COLOR: '0',
  },
});
const summary = /^ℹ (pass|fail|cancelled|skipped) (\d+)\n/gm;
const counts = new Map<string, number>();
let tail = '';
child.stdout.on('data', (chunk: Buffer) => {
  process.stdout.write(chunk);
  // The summary stands before the failures, which may be long.
  tail += chunk.toString();
  for (const [, word, count] of tail.matchAll(summary)) counts.set(word!, Number(count));
  tail = tail.slice(-200);
});
const [code] = (await once(child, 'close')) as [number | null];
await stop();
const count = (word: string) => counts.get(word) ?? 0;
const failed = count('fail') + count('cancelled');
console.log(`${count('pass')} passed, ${failed} failed${count('skipped') > 0 ? `, ${count('skipped')} skipped` : ''}`);
process.exit(code === 0 && failed === 0 && count('pass') > 0 ? 0 : 1);
