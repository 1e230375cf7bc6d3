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
 * The floors of core, lowest first: a module imports from its own folder and from the floors below it. One order for all
 * folders leaves no cycle between them (docs/design.md says why each stands where it does).
 */
export const floors: readonly string[] = [
  'core/base',
  'core/postgres',
  'core/expr',
  'core/api',
  'core/registry',
  'core/config',
  'core/pipeline/errors.ts',
  'core/pipeline/plan',
  'core/pipeline/state',
  'core/pipeline/ledger',
  'core/pipeline/progress',
  'core/pipeline/control',
  'core/pipeline/dead-letters',
  'core/pipeline/open',
  'core/pipeline/ddl',
  'core/pipeline/snapshot',
  'core/pipeline/stream',
  'core/operations/check',
  'core/operations/coverage',
  'core/operations/assess',
  'core/operations/plan',
  'core/operations/test',
  'core/operations/resync',
  'core/operations/run',
  'core/operations/work',
  'core/operations/verify',
  'core/operations/cutover',
  'core/operations/chain',
  'core/observe',
  'core/servers',
  'core/cli',
];
/** What a plugin may import of core. */
const open = ['core/base', 'core/postgres', 'core/api'];

/** Which floor of core a file stands on; -1: none. */
function floorOf(file: string): number {
  return floors.findIndex((floor) => file === floor || file.startsWith(`${floor}/`));
}

/**
 * core imports nothing from plugins/ and nothing from a higher floor; a plugin imports core/api, core/postgres, core/base,
 * node:, npm packages and its own folder. The list of built-ins is no plugin: it may name them all.
 */
export function breach(one: Import): string | null {
  if (!one.to.startsWith('.')) return null;
  const to = join(dirname(one.from), one.to);
  const line = `${one.from} imports ${to}`;
  if (to.startsWith('..')) return `${line}: outside of the repository`;
  if (one.from.startsWith('core/')) return breachInCore(one.from, to, line);
  const own = /^plugins\/[^/]+\//.exec(one.from)?.[0];
  if (own === undefined || to.startsWith(own) || open.some((floor) => to.startsWith(`${floor}/`))) return null;
  return `${line}: a plugin may import core/api, core/postgres, core/base and its own folder`;
}

function breachInCore(from: string, to: string, line: string): string | null {
  if (!to.startsWith('core/')) return `${line}: core knows no plugin`;
  const [here, there] = [floorOf(from), floorOf(to)];
  if (here === -1) return `${from}: in no folder of the list of floors (scripts/lib/import-graph.ts)`;
  return there > here || there === -1 ? `${line}: ${floors[there] ?? to} stands above ${floors[here]}` : null;
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
