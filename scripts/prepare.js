// Runs at the end of `npm ci` in a checkout (never in an installed package): makes `npx pgsluice` find this checkout, and
// start quickly.
import { chmodSync, existsSync, mkdirSync, symlinkSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { bundle } from './bundle.js';

const bin = new URL('../node_modules/.bin/', import.meta.url);
mkdirSync(bin, { recursive: true });
chmodSync(new URL('../bin/pgsluice.js', import.meta.url), 0o755);
const link = new URL('pgsluice', bin);
if (!existsSync(link)) symlinkSync('../../bin/pgsluice.js', link);

const root = fileURLToPath(new URL('..', import.meta.url));
try {
  await bundle({ from: root, to: `${root}.cache/bundle`, extension: 'ts' });
} catch (error) {
  // Without development or optional dependencies there is no bundler, which is no reason to fail.
  process.stderr.write(`not bundled, the sources run as they are: ${error.message.split('\n')[0]}\n`);
}
