import { existsSync } from 'node:fs';

/** A checkout runs the sources as they are; a published package holds what tsc made of them. */
const source = new URL('../core/cli/main.ts', import.meta.url);
const { main } = await import(
  existsSync(source) ? source.href : new URL('../dist/core/cli/main.js', import.meta.url).href
);

export { main };
