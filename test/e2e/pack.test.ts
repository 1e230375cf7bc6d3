import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { onlyLong, short } from '../support/long.ts';
import { database, server } from '../support/servers.ts';

/**
 * The package as a user gets it: packed, installed elsewhere without dev dependencies, and run. Each install takes 9 s of CPU and the executable
 * 15: all but one are in the long form.
 */
const root = fileURLToPath(new URL('../../', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'pgsluice-pack-'));
after(() => rmSync(folder, { recursive: true, force: true }));
const bin = join(folder, 'node_modules', '.bin', 'pgsluice');
const env = { ...process.env, PATH: `${dirname(process.execPath)}${delimiter}${process.env['PATH'] ?? ''}` };

interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}
interface Where {
  readonly cwd?: string;
  readonly more?: NodeJS.ProcessEnv;
}
function run(program: string, args: readonly string[], { cwd = folder, more = {} }: Where = {}): Promise<Ran> {
  return new Promise((resolve) => {
    execFile(program, args, { cwd, env: { ...env, ...more } }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr });
    });
  });
}

function npm(args: readonly string[], cwd: string): void {
  execFileSync('npm', [...args, '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd,
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
}

/** What `npm pack` made. */
function archive(): string {
  const name = readdirSync(folder).find((file) => file.endsWith('.tgz'));
  assert.ok(name);
  return name;
}

/** Left out of the short form for the tens of seconds that each takes: installations and an executable. */
const inLongForm = (name: string, body: () => Promise<void>) => test(name, { skip: onlyLong }, body);

before(() => {
  npm(['pack', '--pack-destination', folder], root);
  writeFileSync(join(folder, 'package.json'), '{"private":true,"type":"module"}\n');
  npm(['install', '--omit=dev', '--prefer-offline', `./${archive()}`], folder);
});

test('--version, and verbs have their help (the long form asks each)', async () => {
  const version = await run(bin, ['--version']);
  assert.deepEqual([version.code, version.stderr], [0, '']);
  assert.match(version.stdout, /^\d+\.\d+\.\d+\n$/);
  const help = await run(bin, ['--help']);
  const verbs = [...help.stdout.matchAll(/^ {2}([a-z]+) (?!\[verb)/gm)].map((match) => match[1]!);
  assert.ok(verbs.includes('run') && verbs.includes('validate'), help.stdout);
  await Promise.all(
    short(1, verbs).map(async (verb) => {
      const ran = await run(bin, [verb, '--help']);
      assert.deepEqual([ran.code, ran.stderr], [0, ''], verb);
      assert.match(ran.stdout, new RegExp(`^Usage: pgsluice ${verb}`));
    }),
  );
});

test('every module of the package loads with the dependencies that a user gets', async () => {
  const all = `for (const file of fs.globSync('node_modules/pgsluice/dist/{bundle,core/api,core/cli,plugins}/**/*.js')) {
    if (!/worker|[/]page[/]/.test(file)) await import(path.resolve(file));
  }`;
  const ran = await run(process.execPath, [
    '--input-type=module',
    '-e',
    `import fs from 'fs'; import path from 'path'; ${all}`,
  ]);
  assert.deepEqual([ran.code, ran.stdout, ran.stderr], [0, '', '']);
});

inLongForm('installed globally: the command is there, with its manual page and completion', async () => {
  const prefix = join(folder, 'global');
  npm(['install', '--global', '--prefix', prefix, '--omit=dev', '--prefer-offline', `./${archive()}`], folder);
  const command = join(prefix, 'bin', 'pgsluice');
  const version = await run(command, ['--version']);
  assert.deepEqual([version.code, version.stderr], [0, '']);
  const completion = await run(command, ['completion', 'bash']);
  assert.deepEqual([completion.code, completion.stderr], [0, '']);
  assert.match(completion.stdout, /complete -o default -F _pgsluice pgsluice/);
  const manual = readFileSync(join(prefix, 'share', 'man', 'man1', 'pgsluice.1'), 'utf8');
  assert.equal(manual, readFileSync(join(root, 'man', 'pgsluice.1'), 'utf8'));
});

inLongForm('npx runs the package in a folder that knows nothing of it', async () => {
  const elsewhere = join(folder, 'elsewhere', 'node_modules');
  // npx installs into its cache: one of this test, with the downloads that are there already.
  const cache = join(folder, 'cache');
  for (const made of [elsewhere, cache]) mkdirSync(made, { recursive: true });
  const { stdout } = await run('npm', ['config', 'get', 'cache']);
  symlinkSync(join(stdout.trim(), '_cacache'), join(cache, '_cacache'));
  const options = ['--yes', '--prefer-offline', '--cache', cache, `--package=${join(folder, archive())}`];
  const ran = await run('npx', [...options, 'pgsluice', '--version'], { cwd: dirname(elsewhere) });
  assert.deepEqual([ran.code, ran.stderr], [0, '']);
  assert.match(ran.stdout, /^\d+\.\d+\.\d+\n$/);
});

test('the package has its manual page and completes', async () => {
  const manual = readFileSync(join(folder, 'node_modules', 'pgsluice', 'man', 'pgsluice.1'), 'utf8');
  assert.equal(manual, readFileSync(join(root, 'man', 'pgsluice.1'), 'utf8'));
  const completion = await run(bin, ['completion', 'bash']);
  assert.deepEqual([completion.code, completion.stderr], [0, '']);
  assert.match(completion.stdout, /complete -o default -F _pgsluice pgsluice/);
});

test('validate: the packed examples are good, a wrong file is 2', async () => {
  const examples = join(folder, 'node_modules', 'pgsluice', 'configs');
  const urls = { SOURCE_URL: 'postgres://source/shop', TARGET_URL: 'postgres://target/shop' };
  for (const name of short(1, ['fan-out.yaml', 'migrate.yaml', 'shop.yaml', 'kafka.yaml'])) {
    const ran = await run(bin, ['validate', join(examples, name)], { more: urls });
    assert.deepEqual([ran.code, ran.stderr], [0, ''], name);
  }
  const wrong = await run(bin, ['validate', join(examples, 'invalid', 'enum.yaml')]);
  assert.equal(wrong.code, 2);
});

test('plugins and schema print what the checkout does', async () => {
  const plugins = await run(bin, ['plugins']);
  assert.deepEqual([plugins.code, plugins.stderr], [0, '']);
  for (const name of ['source postgres', 'sink postgres', 'sink kafka', 'transform mask', 'checkpoint file']) {
    assert.ok(plugins.stdout.includes(`${name} – `), name);
  }
  const schema = await run(bin, ['schema']);
  assert.equal(schema.stdout, readFileSync(join(root, 'configs/pipeline.schema.json'), 'utf8'));
});

test('a plugin in TypeScript beside the pipeline file works in the installed package', async () => {
  writeFileSync(
    join(folder, 'upper.ts'),
    `import { definePlugin, PgsluiceError, type Transform } from 'pgsluice/api';
export default definePlugin<{ column: string }>({
  kind: 'transform', name: 'upper', apiVersion: 1, summary: 'upper case',
  options: { type: 'object', required: ['column'], properties: { column: { type: 'string' } } },
  create: (): Transform => {
    if (PgsluiceError === undefined) throw new Error('no api');
    return { name: 'upper', plan: () => ({ kind: 'identity' }) };
  },
});
`,
  );
  writeFileSync(
    join(folder, 'upper.yaml'),
    `pipeline: upper
source: { plugin: postgres, url: "postgres://source/shop" }
transforms: [{ plugin: ./upper.ts, column: name }]
sinks: [{ plugin: postgres, url: "postgres://target/shop" }]
`,
  );
  const ran = await run(bin, ['validate', 'upper.yaml']);
  assert.deepEqual([ran.code, ran.stderr], [0, '']);
});

inLongForm(
  'one executable: without Node or npm it migrates, takes plugins in TypeScript, and unpacks itself once',
  async () => {
    const executable = join(folder, 'pgsluice');
    const made = await run(process.execPath, ['scripts/executable.ts', '--package', folder, '--to', executable], {
      cwd: root,
    });
    assert.equal(made.code, 0, made.stderr);
    const cache = join(folder, 'executable-cache');
    const alone = { PATH: '', XDG_CACHE_HOME: cache };
    const version = await run(executable, ['--version'], { more: alone });
    assert.deepEqual([version.code, version.stderr], [0, '']);
    const [unpacked, ...others] = readdirSync(join(cache, 'pgsluice'));
    assert.ok(unpacked !== undefined && others.length === 0);
    const before = statSync(join(cache, 'pgsluice', unpacked)).mtimeMs;
    const plugin = await run(executable, ['validate', 'upper.yaml'], { more: alone });
    assert.deepEqual([plugin.code, plugin.stderr], [0, '']);

    const [source, target] = [await database(await server(17), 'src'), await database(await server(17), 'dst')];
    await source.query(`CREATE TABLE thing (id int PRIMARY KEY, name text);
    INSERT INTO thing SELECT g, 'n' || g FROM generate_series(1, 100) g`);
    const pipeline = `pipeline: alone\nsource: { plugin: postgres, url: "${source.url}" }
sinks: [{ plugin: postgres, url: "${target.url}" }]\n`;
    writeFileSync(join(folder, 'alone.yaml'), pipeline);
    for (const verb of [
      ['run', '--stop-at', 'now'],
      ['verify', '--schema'],
    ]) {
      const ran = await run(executable, [verb[0]!, 'alone.yaml', ...verb.slice(1)], { more: alone });
      assert.equal(ran.code, 0, `${verb.join(' ')}: ${ran.stdout}${ran.stderr}`);
    }
    const [row] = await target.query('SELECT count(*)::int AS n FROM thing');
    assert.deepEqual(row, { n: 100 });
    assert.equal(statSync(join(cache, 'pgsluice', unpacked)).mtimeMs, before);
  },
);

inLongForm('the executable refuses a folder for temporary files that others can write', async () => {
  const [tmp, home] = [join(folder, 'tmp'), join(folder, 'no-folder')];
  const own = join(tmp, `pgsluice-${process.getuid?.()}`);
  mkdirSync(own, { recursive: true });
  chmodSync(own, 0o777);
  writeFileSync(home, '');
  const ran = await run(join(folder, 'pgsluice'), ['--version'], { more: { TMPDIR: tmp, XDG_CACHE_HOME: home } });
  assert.equal(ran.code, 1);
  assert.match(ran.stderr, /^pgsluice cannot be started: .* can be written by others\n$/);
});

test('what the package holds and does not hold', () => {
  const installed = join(folder, 'node_modules', 'pgsluice');
  for (const file of [
    'README.md',
    'LICENSE',
    'CHANGELOG.md',
    'docs/errors.md',
    'configs/pipeline.schema.json',
    'dist/core/api/index.d.ts',
  ]) {
    assert.ok(existsSync(join(installed, file)), file);
  }
  for (const file of ['core', 'plugins', 'test', 'scripts']) assert.ok(!existsSync(join(installed, file)), file);
});

test('the conformance suite can be imported', async () => {
  writeFileSync(
    join(folder, 'suite.mjs'),
    `import * as suite from 'pgsluice/conformance'; console.log(Object.keys(suite).sort().join());\n`,
  );
  const ran = await run(process.execPath, ['suite.mjs']);
  assert.deepEqual([ran.code, ran.stderr], [0, '']);
  assert.match(ran.stdout, /checkpointConformance,.*sinkConformance,.*transformConformance/);
});

test('a Node that is too old is told so in one line', async (t) => {
  const old = oldNode();
  if (old === null) {
    t.diagnostic('no Node older than 22.22 on PATH or in the usual places: the message is checked in a simulation');
    const launcher = `Object.defineProperty(process.versions, 'node', { value: '20.1.0' }); require(${JSON.stringify(join(root, 'bin/pgsluice.js'))});`;
    const ran = await run(process.execPath, ['-e', launcher]);
    assert.match(`${ran.code} ${ran.stderr}`, /^2 pgsluice needs Node\.js 22\.22 or newer/);
    return;
  }
  const ran = await run(old, [join(folder, 'node_modules', 'pgsluice', 'bin', 'pgsluice.js'), '--version']);
  assert.equal(ran.code, 2);
  assert.equal(ran.stdout, '');
  assert.match(ran.stderr, /^pgsluice needs Node\.js 22\.22 or newer; this is v\d+\.\d+\.\d+\n$/);
});

function oldNode(): string | null {
  const places = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/bin', '/usr/local/bin'];
  for (const place of places) {
    const node = join(place, 'node');
    if (!existsSync(node)) continue;
    const [major, minor] = execFileSync(node, ['--version'], { encoding: 'utf8' }).slice(1).split('.').map(Number);
    if (major! < 22 || (major === 22 && minor! < 22)) return node;
  }
  return null;
}
