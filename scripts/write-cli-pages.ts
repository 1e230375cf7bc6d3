import { mkdirSync, writeFileSync } from 'node:fs';
import { manPage } from './lib/man-page.ts';
import { verbsPage } from './lib/verbs-page.ts';

/** Writes man/pgsluice.1 and docs/reference/verbs.md again from the command line. */
mkdirSync(new URL('../man/', import.meta.url), { recursive: true });
writeFileSync(new URL('../man/pgsluice.1', import.meta.url), await manPage());
writeFileSync(new URL('../docs/reference/verbs.md', import.meta.url), await verbsPage());
