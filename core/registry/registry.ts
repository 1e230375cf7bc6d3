import type { AnyPlugin } from '../api/plugin.ts';
import { hint } from '../base/suggest.ts';
import { assertSchema } from './options-schema.ts';
import { registryError } from './errors.ts';
import { importPlugin, isPath } from './import-plugin.ts';

export type PluginKind = AnyPlugin['kind'];
export type PluginOf<K extends PluginKind> = Extract<AnyPlugin, { readonly kind: K }>;

/** A plugin that comes with the program, imported when it is used. */
export interface Builtin {
  readonly kind: PluginKind;
  readonly name: string;
  readonly load: () => Promise<AnyPlugin>;
  /** The plugin of its kind that is used if the file names none. */
  readonly fallback?: true;
}

export const apiVersion = 1;

/** The plugins that one run knows. An instance, not a global, so that tests have their own. */
export class Registry {
  readonly #builtins: readonly Builtin[];
  readonly #loaded = new Map<string, Promise<AnyPlugin>>();

  constructor(builtins: readonly Builtin[]) {
    this.#builtins = builtins;
  }

  names(kind: PluginKind): readonly string[] {
    return this.#builtins.filter((builtin) => builtin.kind === kind).map((builtin) => builtin.name);
  }

  /** The name of the built-in of a kind that is used if the file names none; null: there is none. */
  fallback(kind: PluginKind): string | null {
    return this.#builtins.find((builtin) => builtin.kind === kind && builtin.fallback === true)?.name ?? null;
  }

  /** All built-ins, loaded. */
  async all(): Promise<readonly AnyPlugin[]> {
    return Promise.all(this.#builtins.map((builtin) => this.load(builtin.kind, builtin.name, process.cwd())));
  }

  /**
   * A built-in by name, else a module by path (relative to `directory`) or npm package (resolved from `directory`).
   * Throws PGS9001 to PGS9005.
   */
  async load<K extends PluginKind>(kind: K, name: string, directory: string): Promise<PluginOf<K>> {
    const key = JSON.stringify([kind, name, directory]);
    let loading = this.#loaded.get(key);
    if (loading === undefined) {
      loading = this.#load(kind, name, directory);
      this.#loaded.set(key, loading);
    }
    return (await loading) as PluginOf<K>;
  }

  async #load(kind: PluginKind, name: string, directory: string): Promise<AnyPlugin> {
    const builtin = this.#builtins.find((one) => one.kind === kind && one.name === name);
    if (builtin !== undefined) return shaped(await builtin.load(), kind, name);
    try {
      const module = await importPlugin(name, directory);
      return checked(module['default'] ?? module['plugin'], kind, name);
    } catch (error) {
      if (isPath(name) || (error as { code?: unknown }).code !== 'PGS9001') throw error;
      throw this.#unknown(kind, name, error);
    }
  }

  #unknown(kind: PluginKind, name: string, cause: unknown): unknown {
    const names = this.names(kind);
    const other = this.#builtins.find((one) => one.name === name);
    const also = other === undefined ? '' : ` ("${name}" is a ${other.kind})`;
    return registryError('PGS9001', `unknown ${kind} plugin "${name}"${also}${hint(name, names, 'built-in')}`, {
      cause,
    });
  }
}

/** The value as a plugin of the kind, or an error with the reason why it is none. */
export function checked(value: unknown, kind: PluginKind, name: string): AnyPlugin {
  const plugin = shaped(value, kind, name);
  try {
    assertSchema(plugin.options);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw registryError('PGS9005', `options schema of ${kind} plugin ${name}: ${message}`, { cause: error });
  }
  return plugin;
}

/** Checks everything but the options schema, which takes long to compile: a test checks the schemas of built-ins. */
function shaped(value: unknown, kind: PluginKind, name: string): AnyPlugin {
  const wrong = (why: string) => registryError('PGS9003', `${name} is not a ${kind} plugin: ${why}`);
  if (typeof value !== 'object' || value === null) throw wrong('no default export, and no export named plugin');
  const plugin = value as Partial<Record<keyof AnyPlugin, unknown>>;
  if (plugin.kind !== kind) throw wrong(`its kind is ${JSON.stringify(plugin.kind)}`);
  if (plugin.apiVersion !== apiVersion) {
    throw registryError(
      'PGS9004',
      `${name} is for plugin API version ${JSON.stringify(plugin.apiVersion)}, this is ${apiVersion}`,
    );
  }
  if (typeof plugin.name !== 'string' || plugin.name === '') throw wrong('it has no name');
  if (typeof plugin.create !== 'function') throw wrong('it has no function create');
  if (typeof plugin.options !== 'object' || plugin.options === null) throw wrong('it has no options schema');
  return value as AnyPlugin;
}
