import { globSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';

/** One import: from which file to what, as it is written. */
export interface Import {
  readonly from: string;
  readonly to: string;
  /** Erased at run time. */
  readonly typeOnly: boolean;
}

const statement =
  /(?:^|[;}\n])\s*(?:import|export)\s+(type\s+)?(?:[\w*$\s{},]*?\sfrom\s*)?['"]([^'"\n]+)['"]|\bimport\(\s*['"]([^'"\n]+)['"]\s*,?\s*\)/g;

/** The imports of one source text, static and dynamic. */
export function importsOf(file: string, text: string): Import[] {
  const plain = text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/^\s*\/\/.*$/gm, '');
  return [...plain.matchAll(statement)].map((match) => ({
    from: file,
    to: match[2] ?? match[3]!,
    typeOnly: match[1] !== undefined,
  }));
}

/** Breaches of the layers, and cycles, over all sources; each as a line. */
export function checkImports(root: string): string[] {
  const files = globSync('{core,plugins}/**/*.ts', { cwd: root }).toSorted();
  const imports = files.flatMap((file) => importsOf(file, readFileSync(join(root, file), 'utf8')));
  return [...imports.flatMap((one) => breach(one) ?? []), ...cycles(root, imports)];
}

/**
 * core imports nothing from plugins/; a plugin imports core/api, node:, npm packages, its own folder and
 * plugins/postgres-common. The list of built-ins is no plugin: it may name them all.
 */
export function breach(one: Import): string | null {
  if (!one.to.startsWith('.')) return null;
  const to = join(dirname(one.from), one.to);
  const line = `${one.from} imports ${to}`;
  if (to.startsWith('..')) return `${line}: outside of the repository`;
  if (one.from.startsWith('core/api/')) return to.startsWith('core/api/') ? null : `${line}: core/api stands alone`;
  if (one.from.startsWith('core/')) return to.startsWith('core/') ? null : `${line}: core knows no plugin`;
  const own = /^plugins\/[^/]+\//.exec(one.from)?.[0];
  if (own === undefined) return null;
  if (to.startsWith(own) || to.startsWith('core/api/') || to.startsWith('plugins/postgres-common/')) return null;
  return `${line}: a plugin may import core/api, its own folder and plugins/postgres-common`;
}

/** Cycles of imports that exist at run time. */
function cycles(root: string, imports: readonly Import[]): string[] {
  const edges = new Map<string, string[]>();
  for (const one of imports) {
    if (one.typeOnly || !one.to.startsWith('.')) continue;
    const to = relative(root, resolve(root, dirname(one.from), one.to));
    edges.set(one.from, [...(edges.get(one.from) ?? []), to]);
  }
  const found: string[] = [];
  const done = new Set<string>();
  const walk = (file: string, path: readonly string[]): void => {
    const at = path.indexOf(file);
    if (at !== -1) found.push(`import cycle: ${[...path.slice(at), file].join(' -> ')}`);
    if (at !== -1 || done.has(file)) return;
    for (const next of edges.get(file) ?? []) walk(next, [...path, file]);
    done.add(file);
  };
  for (const file of edges.keys()) walk(file, []);
  return found;
}
