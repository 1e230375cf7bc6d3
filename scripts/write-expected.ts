import { globSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { invalidMessages } from './lib/invalid-messages.ts';

/** Writes configs/invalid/*.expected again; look at the difference before you commit it. */
const folder = fileURLToPath(new URL('../configs/invalid/', import.meta.url));
for (const name of globSync('*.yaml', { cwd: folder }).toSorted()) {
  writeFileSync(`${folder}${name.replace(/yaml$/, 'expected')}`, await invalidMessages(folder, name));
}
