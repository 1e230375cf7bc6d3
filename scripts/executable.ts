import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  copyFileSync,
  globSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { constants, zstdCompressSync } from 'node:zlib';

/**
 * `npm run executable`: one file with Node and the package, for the platform of the Node that runs this (single
 * executable application). `--package DIR`: a folder where the package is installed already.
 */
const root = fileURLToPath(new URL('..', import.meta.url));
const { values } = parseArgs({ options: { to: { type: 'string' }, package: { type: 'string' } } });
const to = resolve(values.to ?? join(root, 'pgsluice'));
const work = mkdtempSync(join(tmpdir(), 'pgsluice-executable-'));
try {
  await make(values.package ?? install(work));
} finally {
  rmSync(work, { recursive: true });
}

async function make(folder: string): Promise<void> {
  const packed = zstdCompressSync(archive(folder), { params: { [constants.ZSTD_c_compressionLevel]: 12 } });
  const file = (name: string, content: Uint8Array | string) => {
    const path = join(work, name);
    writeFileSync(path, content);
    return path;
  };
  const config = {
    main: join(root, 'scripts/lib/executable-main.cjs'),
    output: join(work, 'blob'),
    disableExperimentalSEAWarning: true,
    assets: {
      id: file('id', createHash('sha256').update(packed).digest('hex')),
      package: file('package', packed),
    },
  };
  execFileSync(process.execPath, ['--experimental-sea-config', file('config.json', JSON.stringify(config))], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const made = join(work, 'executable');
  copyFileSync(process.execPath, made);
  const { inject } = createRequire(import.meta.url)('postject') as {
    inject(file: string, name: string, data: Buffer, options: { sentinelFuse: string }): Promise<void>;
  };
  // The mark that Node looks for in itself (its manual, Single executable applications).
  const sentinelFuse = 'NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2';
  await inject(made, 'NODE_SEA_BLOB', readFileSync(config.output), { sentinelFuse });
  // Beside it first: a running executable cannot be written.
  const beside = `${to}.new`;
  copyFileSync(made, beside);
  chmodSync(beside, 0o755);
  renameSync(beside, to);
  console.log(`${to} (${Math.round(statSync(to).size / 1e6)} MB)`);
}

/** All files of the packages: length of the index, the index [[path, bytes], …], their contents. */
function archive(folder: string): Buffer {
  const files = globSync('node_modules/**', { cwd: folder, withFileTypes: true })
    .filter(
      (entry) => entry.isFile() && !/\.d\.[cm]?ts(\.map)?$/.test(entry.name) && !entry.parentPath.endsWith('/.bin'),
    )
    .map((entry) => join(entry.parentPath, entry.name))
    .toSorted();
  const contents = files.map((path) => readFileSync(path));
  const names = files.map((path, n) => [path.slice(resolve(folder).length + 1), contents[n]!.length]);
  const index = Buffer.from(JSON.stringify(names));
  const length = Buffer.alloc(4);
  length.writeUInt32LE(index.length);
  return Buffer.concat([length, index, ...contents]);
}

function install(folder: string): string {
  const npm = (args: readonly string[], cwd: string) =>
    execFileSync('npm', [...args, '--no-audit', '--no-fund', '--loglevel=error'], {
      cwd,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
  npm(['pack', '--pack-destination', folder], root);
  const [name] = globSync('*.tgz', { cwd: folder });
  writeFileSync(join(folder, 'package.json'), '{"private":true}\n');
  npm(['install', '--omit=dev', '--omit=optional', '--prefer-offline', `./${name}`], folder);
  return folder;
}
