// Runs at the end of `npm ci` in a checkout (never in an installed package): makes `npx pgsluice` find this checkout.
import { chmodSync, existsSync, mkdirSync, symlinkSync } from 'node:fs';

const bin = new URL('../node_modules/.bin/', import.meta.url);
mkdirSync(bin, { recursive: true });
chmodSync(new URL('../bin/pgsluice.js', import.meta.url), 0o755);
const link = new URL('pgsluice', bin);
if (!existsSync(link)) symlinkSync('../../bin/pgsluice.js', link);
