import { spawnSync } from 'node:child_process';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { LocalServer } from '../../core/servers/local-server.ts';
import { type FileResult, killFiles, runFile } from './run-file.ts';
import { type SharedServer, testSettings } from './servers.ts';
import { majorFor, pairedStandby } from './standby-source.ts';

/**
 * `npm test`: starts one server per major, runs every test file against them, stops them.
 * `npm test -- unit integration/catalog` runs the files whose path holds one of the words.
 *
 * `PGSLUICE_TEST_MINUTES=60` begins no further file after that time: on a machine several times slower than usual the run
 * still ends, names the files that it left out, and counts them as skipped.
 */
const started = Date.now();
const wanted = process.argv.slice(2).filter((word) => !word.startsWith('-'));
// In the order in which they run: what a slow machine leaves out is the repetition at the end.
const folders = ['unit', 'property', 'conformance', 'integration', 'e2e', 'golden', 'fuzz', 'chaos'];
const all = folders.flatMap((folder) => globSync(`test/${folder}/**/*.test.ts`).sort());
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
const named = new Set(files.flatMap((file) => readFileSync(file, 'utf8').match(/\b1[4-8]\b/g) ?? []).map(Number));
const asked = needServers ? [14, 15, 16, 17, 18].filter((major) => wanted.length === 0 || named.has(major)) : [];
const majors = [...new Set(asked.map(majorFor))];
const servers = await Promise.all(majors.map((major) => LocalServer.start({ major, settings: testSettings })));
const standbys = await Promise.all(servers.map(pairedStandby));
const stop = async () => {
  await Promise.all([...servers, ...standbys].map((server) => server?.remove()));
};
/** By the major that tests ask for. */
const shared = Object.fromEntries(
  asked.map((major): [number, SharedServer] => {
    const at = majors.indexOf(majorFor(major));
    return [major, { major: majors[at]!, port: servers[at]!.port, standby: standbys[at]?.port ?? null }];
  }),
);
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    killFiles();
    void stop().then(() => process.exit(130));
  });
}

const env = {
  ...process.env,
  PGSLUICE_TEST_SERVERS: JSON.stringify(shared),
  // Stripping the types of what each file imports would take a quarter of its start.
  NODE_COMPILE_CACHE: process.env['NODE_COMPILE_CACHE'] ?? join(root, '.cache/node'),
  FORCE_COLOR: '0',
};
const minutes = Number(process.env['PGSLUICE_TEST_MINUTES'] ?? Infinity);
// Files that were chosen may be meant in their long form.
const limit = (wanted.length === 0 ? 10 : 120) * 60_000;
const queue = [...files];
const results: FileResult[] = [];
const work = async () => {
  while (Date.now() - started < minutes * 60_000) {
    const file = queue.shift();
    if (file === undefined) return;
    const result = await runFile(file, env, limit);
    results.push(result);
    // Of a run of the whole suite only what went wrong is worth its lines.
    if (result.failed > 0 || wanted.length > 0) process.stdout.write(result.output);
    const counts = `${result.passed} passed, ${result.failed} failed, ${result.skipped} skipped`;
    console.log(`${result.failed > 0 ? '✖' : '✔'} ${file} (${result.seconds.toFixed(1)} s: ${counts})`);
  }
};
await Promise.all([work(), work()]);
await stop();

const sum = (of: 'passed' | 'failed' | 'skipped') => results.reduce((total, result) => total + result[of], 0);
if (files.length > 10) {
  const slowest = results.toSorted((a, b) => b.seconds - a.seconds).slice(0, 12);
  console.log(`\n${((Date.now() - started) / 1000).toFixed(0)} s in all; the slowest files:`);
  for (const { file, seconds } of slowest) console.log(`  ${seconds.toFixed(1).padStart(6)} s  ${file}`);
}
for (const { file, output } of results.filter((result) => result.failed > 0 && files.length > 10)) {
  console.log(`\n✖ ${file}\n${output.slice(-8000)}`);
}
if (queue.length > 0) {
  console.log(
    `\nleft out after ${minutes} minutes (PGSLUICE_TEST_MINUTES), ${queue.length} files:\n  ${queue.join('\n  ')}`,
  );
}
const skipped = sum('skipped') + queue.length;
console.log(`${sum('passed')} passed, ${sum('failed')} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`);
process.exit(sum('failed') === 0 && sum('passed') > 0 ? 0 : 1);
