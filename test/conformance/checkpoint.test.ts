import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import { checkpointFile } from '../../plugins/checkpoint-file/plugin.ts';
import { checkpointPostgres } from '../../plugins/checkpoint-postgres/plugin.ts';
import { database, server } from '../support/servers.ts';
import { conformanceContext } from './fixtures.ts';
import { checkpointConformance } from './index.ts';

const folder = mkdtempSync(join(tmpdir(), 'pgsluice-checkpoint-'));
after(() => rmSync(folder, { recursive: true }));
const target = await database(await server(17));

checkpointConformance('file', () => checkpointFile.create({}, conformanceContext('checkpoint', folder)));
checkpointConformance('postgres', () =>
  checkpointPostgres.create({ url: target.url }, conformanceContext('checkpoint', folder)),
);
