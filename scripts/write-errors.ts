import { writeFileSync } from 'node:fs';
import { errorsPage } from './lib/errors-page.ts';

/** Writes docs/errors.md again from the tables of codes. */
writeFileSync(new URL('../docs/errors.md', import.meta.url), await errorsPage());
