import { existsSync, readFileSync, statSync } from 'node:fs';
import module from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

// What was compiled, and stripped of types, once is not again.
module.enableCompileCache?.();

const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** A checkout has the sources, and since `npm ci` the same in few files; a published package has its bundle in dist. */
function modules() {
  if (!existsSync(join(root, 'core/cli/main.ts'))) return ['dist/bundle/main.js', 'dist/bundle/builtins.js'];
  if (isCurrent('.cache/bundle')) return ['.cache/bundle/main.js', '.cache/bundle/builtins.js'];
  return ['core/cli/main.ts', 'plugins/builtins.ts'];
}

/**
 * Whether the bundle is of the sources and the packages as they are. A look at each takes some milliseconds; to load them
 * one by one, hundreds.
 */
function isCurrent(bundle) {
  try {
    const inputs = JSON.parse(readFileSync(join(root, bundle, 'inputs.json'), 'utf8'));
    return inputs.every(([file, modified, bytes]) => {
      const now = statSync(join(root, file));
      return now.mtimeMs === modified && now.size === bytes;
    });
  } catch {
    return false;
  }
}

export async function main(argv) {
  if (argv.includes('--debug')) process.setSourceMapsEnabled(true);
  const [cli, plugins] = await Promise.all(modules().map((path) => import(pathToFileURL(join(root, path)).href)));
  await cli.main(argv, plugins.builtins);
}
