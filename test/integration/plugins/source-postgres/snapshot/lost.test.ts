import assert from 'node:assert/strict';
import { test } from 'node:test';
import { KeptClient } from '../../../../../plugins/source-postgres/kept-client.ts';
import { dumpSchema } from '../../../../../plugins/source-postgres/schema/dump.ts';
import { SnapshotWorkers } from '../../../../../plugins/source-postgres/snapshot/workers.ts';
import type { SourceAccess } from '../../../../../plugins/source-postgres/session.ts';
import { database, server } from '../../../../support/servers.ts';

/** The connection that exported the snapshot was cut before another one joined it: whoever runs again gets a new one. */
for (const major of [14, 15, 16, 17, 18]) {
  test(`a snapshot whose exporter is gone is told as lost, by PostgreSQL ${major}`, async () => {
    const db = await database(await server(major), 'lost');
    const kept = new KeptClient();
    const access = { connection: { url: db.url }, name: 'source', application: 'pgsluice lost', kept } as SourceAccess;
    await using workers = new SnapshotWorkers(access);
    await assert.rejects(workers.start('000000DC-00000003-1', 2), { code: 'PGS2120', retry: 'backoff' });
    const dump = dumpSchema(access, { snapshot: '000000DC-00000003-1', tables: {} }, new AbortController().signal);
    await assert.rejects(dump, { code: 'PGS2120', retry: 'backoff' });
  });
}
