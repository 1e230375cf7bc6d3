// Builds dist/ for the package: tsc, then the files that are not TypeScript, each next to its module, then the bundle.
import { spawnSync } from 'node:child_process';
import { copyFileSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bundle } from './bundle.js';

const root = fileURLToPath(new URL('..', import.meta.url));
const require = createRequire(import.meta.url);
const tsc = join(dirname(require.resolve('typescript/package.json')), 'bin', 'tsc');
const assets = '{core,plugins}/**/*.{html,css,js,mjs,sql,json,svg,wasm}';

rmSync(join(root, 'dist'), { recursive: true, force: true });
// Types are the business of `npm run check`; here they would take twice the time of the rest.
const built = spawnSync(process.execPath, [tsc, '-p', 'tsconfig.build.json', '--noCheck'], {
  cwd: root,
  stdio: 'inherit',
});
if (built.status !== 0) process.exit(built.status ?? 1);
for (const file of globSync(assets, { cwd: root })) {
  const to = join(root, 'dist', file);
  mkdirSync(dirname(to), { recursive: true });
  copyFileSync(join(root, file), to);
}

// tsc turns .ts into .js in imports; a module that is named by URL (a worker) is left to us.
for (const file of globSync('dist/**/*.js', { cwd: root })) {
  const text = readFileSync(join(root, file), 'utf8');
  const rewritten = text.replace(/(new URL\(\s*['"`]\.{1,2}\/[^'"`]+)\.ts(['"`],\s*import\.meta\.url)/g, '$1.js$2');
  if (rewritten !== text) writeFileSync(join(root, file), rewritten);
}

await bundle({ from: join(root, 'dist'), to: join(root, 'dist/bundle'), extension: 'js' });
