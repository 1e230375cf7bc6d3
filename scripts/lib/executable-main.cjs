// What the executable runs: the package lies in it as one archive, is unpacked once for a user, and started from there.
const { createHash } = require('node:crypto');
const { existsSync, lstatSync, mkdirSync, renameSync, rmSync, writeFileSync } = require('node:fs');
const { createRequire } = require('node:module');
const { homedir, tmpdir, userInfo } = require('node:os');
const { dirname, join } = require('node:path');
const { getAsset, getRawAsset } = require('node:sea');
const { zstdDecompressSync } = require('node:zlib');

function start() {
  const id = getAsset('id', 'utf8');
  const folder = join(cache(), id);
  if (!existsSync(folder)) unpack(folder, id);
  createRequire(join(folder, 'start'))('./node_modules/pgsluice/bin/pgsluice.js');
}

/** The user's folder for caches, or one in the folder for temporary files where there is none that can be written. */
function cache() {
  const { XDG_CACHE_HOME: xdg } = process.env;
  try {
    const own = join(xdg !== undefined && xdg !== '' ? xdg : join(homedir(), '.cache'), 'pgsluice');
    mkdirSync(own, { recursive: true, mode: 0o700 });
    check(own);
    return own;
  } catch {
    const own = join(tmpdir(), `pgsluice-${userInfo().uid}`);
    mkdirSync(own, { recursive: true, mode: 0o700 });
    check(own);
    return own;
  }
}

/** Code is run from there: nobody else may write into it. */
function check(folder) {
  const { uid, mode } = lstatSync(folder);
  if (process.getuid === undefined || (uid === process.getuid() && (mode & 0o022) === 0)) return;
  throw new Error(`${folder} can be written by others`);
}

function unpack(folder, id) {
  const packed = Buffer.from(getRawAsset('package'));
  if (createHash('sha256').update(packed).digest('hex') !== id) throw new Error('the executable is damaged');
  const archive = zstdDecompressSync(packed);
  const start = 4 + archive.readUInt32LE(0);
  const half = `${folder}.${process.pid}`;
  let at = start;
  for (const [path, size] of JSON.parse(archive.toString('utf8', 4, start))) {
    mkdirSync(dirname(join(half, path)), { recursive: true });
    writeFileSync(join(half, path), archive.subarray(at, at + size));
    at += size;
  }
  try {
    renameSync(half, folder);
  } catch (error) {
    // Another start of the same executable was first.
    rmSync(half, { recursive: true, force: true });
    if (!existsSync(folder)) throw error;
  }
}

try {
  start();
} catch (error) {
  process.stderr.write(`pgsluice cannot be started: ${error.message}\n`);
  process.exitCode = 1;
}
