import type pg from 'pg';
import type { Owner } from '../state.ts';
import type { Definition } from './build.ts';

type Named = Pick<Definition, 'relid' | 'kind' | 'name'>;

const named = 'pipeline = $1 AND sink = $2 AND relid = $3::oid AND kind = $4 AND name = $5::text';

/** From now on other processes may build these. */
export async function offerDefinitions(client: pg.Client, owner: Owner, aside: readonly Definition[]): Promise<void> {
  const large = aside.filter(({ small }) => !small);
  await client.query(
    `UPDATE pgsluice.definition d SET offered = true FROM unnest($3::oid[], $4::text[], $5::text[]) AS m (relid, kind, name)
     WHERE d.pipeline = $1 AND d.sink = $2 AND d.relid = m.relid AND d.kind = m.kind AND d.name = m.name AND NOT d.offered`,
    [
      owner.pipeline,
      owner.sink,
      large.map(({ relid }) => relid),
      large.map(({ kind }) => kind),
      large.map(({ name }) => name),
    ],
  );
}

/** Within the caller's transaction, which builds it then. The claim ends with it, however that ends. */
export async function claimDefinition(
  client: pg.Client,
  owner: Owner,
  { relid, kind, name }: Named,
): Promise<'ours' | 'busy' | 'done'> {
  const of = [owner.pipeline, owner.sink, relid, kind, name];
  const locked = await client.query<{ status: string }>(
    `SELECT status FROM pgsluice.definition WHERE ${named} FOR UPDATE SKIP LOCKED`,
    of,
  );
  const [row] = locked.rows;
  if (row !== undefined) return row.status === 'aside' ? 'ours' : 'done';
  const found = await client.query(`SELECT FROM pgsluice.definition WHERE ${named}`, of);
  return found.rowCount === 0 ? 'done' : 'busy';
}
