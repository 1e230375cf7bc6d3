import { failpoint } from '../../../core/base/failpoint.ts';
import type { Sessions } from '../sessions.ts';
import type { Owner } from '../state.ts';
import {
  createIndex,
  type Definition,
  definitionOf,
  type DefinitionRow,
  definitions,
  markDefinition,
  refused,
} from './build.ts';

/** Builds an index that a run offers and that no process is at, the largest table's first. Null: there is none. */
export async function buildOffered(
  sessions: Sessions,
  owner: Owner,
  opens: (what: string) => void,
): Promise<string | null> {
  const at: { definition: Definition | null } = { definition: null };
  try {
    return await sessions.transaction(async (client) => {
      const { rows } = await client.query<DefinitionRow>(
        `${definitions} WHERE d.pipeline = $1 AND d.sink = $2 AND d.offered AND d.status = 'aside' AND d.create_sql IS NOT NULL
         ORDER BY z.bytes DESC, d.name LIMIT 1 FOR UPDATE OF d SKIP LOCKED`,
        [owner.pipeline, owner.sink],
      );
      if (rows[0] === undefined) return null;
      const definition = definitionOf(rows[0]);
      at.definition = definition;
      opens(definition.name);
      failpoint('index');
      await markDefinition(client, owner, definition, await createIndex(client, definition));
      return definition.name;
    });
  } catch (error) {
    throw at.definition === null ? error : refused(error, at.definition);
  }
}
