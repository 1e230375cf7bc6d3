import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { metricsPage } from './lib/metrics-page.ts';

/** Writes docs/reference/metrics.md again. */
const root = fileURLToPath(new URL('..', import.meta.url));
writeFileSync(new URL('../docs/reference/metrics.md', import.meta.url), metricsPage(root));
