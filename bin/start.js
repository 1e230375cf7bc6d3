import { existsSync } from 'node:fs';
import module from 'node:module';

// What was compiled, and stripped of types, once is not again: a verb starts in half the time.
module.enableCompileCache?.();

/** A checkout runs the sources as they are; a published package holds what tsc made of them. */
const source = new URL('../core/cli/main.ts', import.meta.url);
const from = existsSync(source)
  ? (path) => new URL(`../${path}.ts`, import.meta.url).href
  : (path) => new URL(`../dist/${path}.js`, import.meta.url).href;

export async function main(argv) {
  const [cli, plugins] = await Promise.all([import(from('core/cli/main')), import(from('plugins/builtins'))]);
  await cli.main(argv, plugins.builtins);
}
