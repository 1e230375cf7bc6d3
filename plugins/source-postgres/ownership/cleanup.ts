import type pg from 'pg';
import { quoteIdent, quoteLiteral } from '../../../core/postgres/quote.ts';
import { foreignDdl, removeDdl } from '../ddl/install.ts';
import { besideOf } from '../names.ts';
import { readDefinition } from '../publication/definition.ts';
import type { SourceAccess } from '../session.ts';
import { dropSlot } from '../slot.ts';
import { isOurPublication, makerOf, publicationKey } from './publication-proof.ts';
import { type Names, proveSlot, slotKey } from './slot-proof.ts';

const namesOf = (access: SourceAccess): readonly Names[] => [access, { ...besideOf(access), beside: true }];

/**
 * Drops what this pipeline provably made; repeatable. The slot goes first: its proof may be on the publication. Returns
 * what it dropped, in words.
 */
export async function cleanSource(
  { client, primary }: { readonly client: pg.Client; readonly primary: pg.Client },
  access: SourceAccess,
): Promise<readonly string[]> {
  const { owner } = access;
  const done: string[] = [];
  for (const names of namesOf(access)) {
    if (await dropSlot(client, access, names)) {
      done.push(`replication slot ${names.slot}`);
      await owner.ownership?.note(slotKey(names.slot), null);
    }
    if (!(await mayDropPublication({ client, primary }, access, names))) continue;
    await primary.query(`DROP PUBLICATION ${quoteIdent(names.publication)}`);
    await owner.ownership?.note(publicationKey(names.publication), null);
    done.push(`publication ${names.publication}`);
  }
  done.push(...(await removeDdl(primary, access.slot, owner)));
  return done;
}

/**
 * A slot of these names that is being read, and is not ours, may be read with our publication: by a copy of this
 * pipeline's state.
 */
async function mayDropPublication(
  { client, primary }: { readonly client: pg.Client; readonly primary: pg.Client },
  { owner }: SourceAccess,
  names: Names,
): Promise<boolean> {
  const there = await readDefinition(primary, names.publication);
  if (there === null || !isOurPublication(there, names.publication, owner)) return false;
  const slot = await proveSlot(client, owner, names);
  return slot === null || slot.ours || slot.activePid === null;
}

/**
 * Objects with a name of this pipeline's that are left alone, in words, each with the statement for a user who knows
 * that it is not needed.
 */
export async function foreignObjects(client: pg.Client, access: SourceAccess): Promise<readonly string[]> {
  const { owner, slot } = access;
  const left: string[] = [];
  for (const names of namesOf(access)) {
    const proof = await proveSlot(client, owner, names);
    if (proof !== null && !proof.ours) {
      const drop = `SELECT pg_drop_replication_slot(${quoteLiteral(names.slot)});`;
      left.push(`replication slot ${names.slot}: ${proof.why}; if it is of no use: ${drop}`);
    }
    const there = await readDefinition(client, names.publication);
    if (there === null) continue;
    const why = isOurPublication(there, names.publication, owner) ? 'its slot is being read' : makerOf(there);
    const drop = `DROP PUBLICATION ${quoteIdent(names.publication)};`;
    left.push(`publication ${names.publication}: ${why}; if it is of no use: ${drop}`);
  }
  left.push(...(await foreignDdl(client, slot, owner)).map((label) => `${label}: this pipeline did not make it`));
  return left;
}
