import { mkdirSync, writeFileSync } from 'node:fs';
import { optionsPage } from './lib/options-page.ts';

/** Writes docs/reference/options.md. */
const folder = new URL('../docs/reference/', import.meta.url);
mkdirSync(folder, { recursive: true });
writeFileSync(new URL('options.md', folder), await optionsPage());
