import type pg from 'pg';
import type { StoredObject } from './refused.ts';

/**
 * Whether the target has an object of this kind and name, whatever its definition: the target may be unable even to
 * parse the source's statement, so a failure proves nothing. Names are as in the dump's headers.
 */
export async function isMade(client: pg.Client, { type, name }: StoredObject): Promise<boolean> {
  const { rows } = await client.query<{ made: string }>(
    `SELECT (EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                     WHERE $1 IN ('TABLE', 'VIEW', 'MATERIALIZED VIEW', 'SEQUENCE', 'INDEX', 'FOREIGN TABLE')
                       AND n.nspname || '.' || c.relname = $2)
          OR EXISTS (SELECT FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
                     WHERE $1 IN ('CONSTRAINT', 'CHECK CONSTRAINT', 'FK CONSTRAINT')
                       AND n.nspname || '.' || c.relname || ' ' || k.conname = $2)
          OR EXISTS (SELECT FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace
                     WHERE $1 = 'TRIGGER' AND n.nspname || '.' || c.relname || ' ' || t.tgname = $2)
          OR EXISTS (SELECT FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
                     WHERE $1 IN ('FUNCTION', 'PROCEDURE', 'AGGREGATE')
                       AND n.nspname || '.' || p.proname || '(' || oidvectortypes(p.proargtypes) || ')' = $2)
          OR EXISTS (SELECT FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
                     WHERE $1 IN ('TYPE', 'DOMAIN') AND t.typisdefined AND n.nspname || '.' || t.typname = $2))::text AS made`,
    [type, name],
  );
  return rows[0]?.made === 'true';
}
