import type { TablesOption } from '../../../core/api/schemas.ts';
import type { DdlSource } from '../../../core/api/source-database.ts';
import { eventTriggers } from '../checks/privileges.ts';
import { changePrimary } from '../primary.ts';
import { type SourceAccess, ask, withClient } from '../session.ts';
import { installDdl } from './install.ts';
import { readPublished } from './published.ts';

export function ddlSource(access: SourceAccess, tables: TablesOption): DdlSource {
  const { pipeline } = access.owner;
  return {
    tables: (signal) => ask(access, signal, (client) => readPublished(client, access.publication, tables)),
    follow: (signal) => changePrimary(access, signal, (client) => installDdl(client, access, { pipeline, tables })),
    check: (report, signal) => withClient(access, signal, (client) => eventTriggers(client, report)),
  };
}
