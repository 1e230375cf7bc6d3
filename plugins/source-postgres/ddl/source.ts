import type { TablesOption } from '../../../core/api/schemas.ts';
import type { DdlSource } from '../../../core/api/source-database.ts';
import { eventTriggers } from '../checks/privileges.ts';
import { changePrimary } from '../primary.ts';
import { type SourceAccess, ask, withClient } from '../session.ts';
import { installDdl, lookAtDdl } from './install.ts';
import { readPublished } from './published.ts';

export function ddlSource(access: SourceAccess, tables: TablesOption): DdlSource {
  const { pipeline } = access.owner;
  /** Null: not known yet. */
  let looks: boolean | null = null;
  return {
    get late() {
      return looks === true;
    },
    tables: (signal) => ask(access, signal, (client) => readPublished(client, access.publication, tables)),
    async follow(signal) {
      const how = await changePrimary(access, signal, (client) => installDdl(client, access, { pipeline, tables }));
      looks = how === 'looked at';
    },
    async look(signal) {
      if (looks === false) return;
      looks = await changePrimary(access, signal, (client) => lookAtDdl(client, access.slot));
    },
    check: (report, signal) => withClient(access, signal, (client) => eventTriggers(client, report)),
  };
}
