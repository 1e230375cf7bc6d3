import { randomUUID } from 'node:crypto';
import { PgsluiceError } from '../../base/error.ts';
import { quoteIdent } from '../../postgres/quote.ts';
import { relationName, type Relation } from '../../postgres/relation.ts';
import { loadParser } from '../../expr/parse.ts';
import { predicateToSql } from '../../expr/to-sql.ts';
import { transformTools } from '../../pipeline/plan/tools.ts';
import { runtimeError } from '../../pipeline/errors.ts';
import type { PlannedSink } from '../../pipeline/open/instances.ts';
import { keyOf } from './reread-key.ts';
import type { RereadJob } from './reread-queue.ts';

/**
 * The jobs for rows of these tables that are to be read again. The predicate (null: all rows) is parsed as an
 * expression of the transforms, over the source's columns, so that no other SQL reaches the server. Throws PGS5070 and
 * errors of the parser.
 */
export async function rereadJobs(
  sinks: readonly PlannedSink[],
  relations: readonly Relation[],
  where: string | null,
): Promise<readonly RereadJob[]> {
  await loadParser();
  return relations.map((relation) => {
    const table = relationName(relation);
    const refuse = (why: string) => runtimeError('PGS5070', why, { where: { table } });
    if (keyOf(relation).length === 0) throw refuse('the table has no key');
    for (const { name, traits, plans } of sinks) {
      if (traits.rereads === true || !plans.some((plan) => relationName(plan.source) === table)) continue;
      throw refuse(`sink ${name} does not take rows again beside its stream`);
    }
    return { id: randomUUID(), table, where: where === null ? null : sqlOf(where, relation), after: null, rows: 0 };
  });
}

function sqlOf(where: string, relation: Relation): string {
  const { schema, name, columns } = relation;
  try {
    const expr = transformTools.parse(where, { source: relation, schema, name, columns }, { boolean: true });
    return predicateToSql(expr, (column) => `t.${quoteIdent(column)}`);
  } catch (error) {
    if (!(error instanceof PgsluiceError)) throw error;
    throw runtimeError('PGS5071', `--where: ${error.message}`, {
      where: { table: relationName(relation) },
      cause: error,
    });
  }
}
