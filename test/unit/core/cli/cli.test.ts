import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';

const folder = mkdtempSync(join(tmpdir(), 'pgsluice-cli-'));
after(() => rmSync(folder, { recursive: true }));

interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

function pgsluice(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Ran> {
  return node([fileURLToPath(new URL('../../../../bin/pgsluice.js', import.meta.url)), ...args], env);
}

function node(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Ran> {
  return new Promise((resolve) => {
    execFile(process.execPath, args, { env: { ...process.env, ...env }, cwd: folder }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr });
    });
  });
}

test('--version and --help go to stdout and end with 0', async () => {
  const version = await pgsluice(['--version']);
  assert.deepEqual([version.code, version.stderr], [0, '']);
  assert.match(version.stdout, /^\d+\.\d+\.\d+\n$/);
  const help = await pgsluice(['--help']);
  assert.deepEqual([help.code, help.stderr], [0, '']);
  assert.match(help.stdout, /validate/);
  const none = await pgsluice([]);
  assert.match(none.stdout, /Usage: pgsluice/);
  const verb = await pgsluice(['help', 'validate']);
  assert.match(verb.stdout, /validate.*<file>/);
});

test('a wrong command line is one line with a code, and 2', async () => {
  const cases: readonly (readonly [readonly string[], RegExp])[] = [
    [['validat'], /^PGS1101 unknown command 'validat'; did you mean validate\? – /],
    [['validate'], /^PGS1103 missing required argument 'file' – /],
    [['validate', 'a.yaml', '--jsn'], /^PGS1102 unknown option '--jsn'/],
    [['--debgu', 'validate', 'a.yaml'], /^PGS1102 unknown option '--debgu'; did you mean --debug\?/],
    [['validate', 'a', 'b'], /^PGS1104 too many arguments/],
    [['--log', 'xml', 'validate', 'a'], /^PGS1104 .*json, pretty/],
    [['run', 'nowhere.yaml', '--stop-at', 'yesterday'], /^PGS6005 --stop-at "yesterday" is not an LSN/],
    [['run', 'nowhere.yaml', '--stop-at', ''], /^PGS6005 /],
    [['run', 'nowhere.yaml', '--stop-at', 'Now'], /^PGS6005 /],
    [['validate', 'nowhere.yaml'], /^PGS1001 cannot read nowhere\.yaml: no such file – /],
  ];
  for (const [args, message] of cases) {
    const ran = await pgsluice(args);
    assert.equal(ran.code, 2, args.join(' '));
    assert.equal(ran.stdout, '');
    assert.match(ran.stderr, message);
    assert.equal(ran.stderr.split('\n').length, 2, ran.stderr);
  }
});

test('problems of a file: a line each on stderr, and 2', async () => {
  writeFileSync(join(folder, 'bad.yaml'), 'pipeline: Shop\nsource: 3\n');
  const ran = await pgsluice(['validate', 'bad.yaml']);
  assert.equal(ran.code, 2);
  assert.equal(ran.stdout, '');
  const lines = ran.stderr.trimEnd().split('\n');
  assert.equal(lines.length, 3);
  for (const line of lines) assert.match(line, /^bad\.yaml:\d+:\d+: .* \(PGS10\d\d\)$/);
});

test('the stack of an error only with --debug, also after the verb', async () => {
  const plain = await pgsluice(['validate', 'nowhere.yaml']);
  assert.doesNotMatch(plain.stderr, /\n\s+at /);
  const debug = await pgsluice(['validate', 'nowhere.yaml', '--debug']);
  assert.match(debug.stderr, /\n\s+at /);
  assert.match(debug.stderr, /caused by: .*ENOENT/);
});

const harness = (body: string) => `
import { main } from '${new URL('../../../../core/cli/main.ts', import.meta.url).href}';
import { verbs } from '${new URL('../../../../core/cli/verbs.ts', import.meta.url).href}';
verbs.push({ name: 'probe', summary: 's', load: async () => ({ register(program, cli) {
  program.command('probe').action(async () => { ${body} });
} }) });
await main(['probe', ...process.argv.slice(2)], []);
`;

async function probe(body: string, args: readonly string[] = []): Promise<Ran> {
  const file = join(folder, 'probe.mjs');
  writeFileSync(file, harness(body));
  return node([file, ...args]);
}

test('a mistake of ours is one line with a code, and 1', async () => {
  const ran = await probe(`null.x;`);
  assert.equal(ran.code, 1);
  assert.match(ran.stderr, /^PGS1190 unexpected error: TypeError: .* – .*\n$/);
  const later = await probe(
    `setTimeout(() => { throw new Error('late\\nand long'); }, 1); await new Promise((r) => setTimeout(r, 1000));`,
  );
  assert.equal(later.code, 1);
  assert.match(later.stderr, /^PGS1190 unexpected error: Error: late and long .*\n$/);
  const rejected = await probe(
    `void Promise.reject(new Error('floating')); await new Promise((r) => setTimeout(r, 1000));`,
  );
  assert.equal(rejected.code, 1);
  assert.match(rejected.stderr, /^PGS1190 .*floating/);
});

test('work that never ends is no success', async () => {
  const ran = await probe(`await new Promise(() => {});`);
  assert.equal(ran.code, 1);
  assert.match(ran.stderr, /^PGS1191 /);
});

test('passwords do not pass, whoever wrote the message', async () => {
  const ran = await probe(
    `throw new Error('cannot reach postgres://u:hunter2@h:5432/d and host=x password=hunter2');`,
    ['--debug'],
  );
  assert.match(ran.stderr, /postgres:\/\/u:\*\*\*@h/);
  assert.doesNotMatch(ran.stderr, /hunter2/);
});

test('exit codes that a verb sets are kept', async () => {
  assert.equal((await probe(`cli.exit(4);`)).code, 4);
});

test('one signal aborts and the verb ends by itself; a second one ends with 130', async () => {
  const once = await probe(`await cli.withSignals(async (signal) => {
    process.kill(process.pid, 'SIGINT');
    await new Promise((resolve, reject) => { const t = setInterval(() => {}, 1000); signal.addEventListener('abort', () => { clearInterval(t); reject(signal.reason); }); });
  }); cli.stdout.write('saved\\n');`);
  assert.deepEqual([once.code, once.stdout], [0, 'saved\n']);
  assert.match(once.stderr, /^SIGINT: stopping/);
  const twice = await probe(`await cli.withSignals(async (signal) => {
    process.kill(process.pid, 'SIGTERM');
    signal.addEventListener('abort', () => process.kill(process.pid, 'SIGTERM'));
    await new Promise((r) => setTimeout(r, 5000));
  });`);
  assert.equal(twice.code, 130);
});

test('log lines are JSON with digits kept and passwords gone; --log pretty is for people', async () => {
  const body = `const log = await cli.logger('stdout'); log.child({ pipeline: 'p' }).log('info', 'copied', 'at postgres://u:pw1234@h/d', { lsn: 12345678901234567890n, url: 'postgres://u:pw1234@h/d', none: undefined, gone: null });`;
  const json = await probe(body);
  const line = JSON.parse(json.stdout) as Record<string, unknown>;
  assert.equal(line['event'], 'copied');
  assert.equal(line['level'], 'info');
  assert.equal(line['pipeline'], 'p');
  assert.equal(line['lsn'], '12345678901234567890');
  assert.equal(line['gone'], null);
  assert.ok(!('none' in line));
  assert.match(String(line['time']), /^\d{4}-\d\d-\d\dT.*Z$/);
  assert.doesNotMatch(json.stdout, /pw1234/);
  const pretty = await probe(body, ['--log', 'pretty']);
  assert.match(pretty.stdout, /INFO.*at postgres:\/\/u:\*\*\*@h/);
  assert.doesNotMatch(pretty.stdout, /pw1234|^\{/);
});
