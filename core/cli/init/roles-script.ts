import { createStatements, grantStatements } from '../../postgres/roles.ts';
import type { Cli } from '../cli.ts';
import { type FirstPipelineOptions, openFirst } from './first-pipeline.ts';
import { needed } from '../../pipeline/open/capability.ts';

/**
 * The roles that the database needs, as SQL for a new server: the roles that it names, those above them, and their
 * members, with attributes, settings and memberships. Without passwords, which only a superuser can read.
 */
export async function rolesScript(cli: Cli, options: FirstPipelineOptions): Promise<string> {
  const { source } = await openFirst(cli, options);
  await using _ = source;
  const { identity } = await source.open(options.signal);
  const schema = needed(source, 'schema', 'a script of roles');
  const { roles, memberships, version } = await schema.surroundings(options.signal);
  const target = { version, superuser: true };
  const lines = roles.flatMap((role) => [
    ...(role.named.length === 0 ? [] : [`-- ${role.name.replace(/\s/g, ' ')} ${role.named.join(', ')}`]),
    ...createStatements([role], target),
  ]);
  const head = `-- ${roles.length} roles of ${identity.database.replace(/\s/g, ' ')}, without passwords`;
  return `${[head, ...lines, ...grantStatements(memberships, target)].join('\n')}\n`;
}
