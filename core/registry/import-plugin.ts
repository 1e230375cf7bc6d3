import { existsSync } from 'node:fs';
import { registerHooks } from 'node:module';
import { isAbsolute, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { registryError } from './errors.ts';

const scheme = 'pgsluice-plugin:';
const apiModule = new URL('../api/index.ts', import.meta.url).href;
let hooked = false;
/** Errors of finding the plugin itself, not the modules that it imports. */
const unresolved = new WeakSet<object>();

/**
 * Module resolution for plugins from outside. `pgsluice/api` is always this copy, wherever the plugin is installed, so
 * that its error class and its UNCHANGED are ours; a package is resolved from the folder of the pipeline file, not from
 * ours.
 */
function hook(): void {
  if (hooked) return;
  hooked = true;
  registerHooks({
    resolve(specifier, context, next) {
      if (specifier === 'pgsluice/api') return next(apiModule, context);
      if (!specifier.startsWith(scheme)) return next(specifier, context);
      const [name, parent] = JSON.parse(decodeURIComponent(specifier.slice(scheme.length))) as [string, string];
      try {
        return next(name, { ...context, parentURL: parent });
      } catch (error) {
        if (typeof error === 'object' && error !== null) unresolved.add(error);
        throw error;
      }
    },
  });
}

/** A name in `plugin:` that is a path and not a package. */
export function isPath(name: string): boolean {
  return name.startsWith('./') || name.startsWith('../') || isAbsolute(name);
}

/** The module of a plugin that is no built-in. Throws PGS9001 if there is none, PGS9002 if it does not load. */
export async function importPlugin(name: string, directory: string): Promise<Readonly<Record<string, unknown>>> {
  hook();
  const file = isPath(name) ? resolve(directory, name) : null;
  if (file !== null && !existsSync(file)) throw registryError('PGS9001', `plugin ${name} not found: no file ${file}`);
  const parent = pathToFileURL(join(directory, 'pipeline')).href;
  const specifier =
    file === null ? scheme + encodeURIComponent(JSON.stringify([name, parent])) : pathToFileURL(file).href;
  try {
    return (await import(specifier)) as Record<string, unknown>;
  } catch (error) {
    if (file === null && notInstalled(error, name))
      throw registryError('PGS9001', `plugin ${name} not found`, { cause: error });
    const message = error instanceof Error ? error.message.split('\n')[0] : String(error);
    throw registryError('PGS9002', `plugin ${name} cannot be loaded: ${message}`, { cause: error });
  }
}

/** The package itself is missing, not a module that it imports. */
function notInstalled(error: unknown, name: string): boolean {
  if (typeof error !== 'object' || error === null || !unresolved.has(error)) return false;
  const { code, message } = error as { code?: unknown; message?: unknown };
  if (code === 'ERR_INVALID_MODULE_SPECIFIER' || code === 'ERR_UNSUPPORTED_DIR_IMPORT') return true;
  const root = name
    .split('/')
    .slice(0, name.startsWith('@') ? 2 : 1)
    .join('/');
  return code === 'ERR_MODULE_NOT_FOUND' && String(message).includes(`'${root}'`);
}
