import { connect } from '../../core/postgres/connect.ts';
import { type Change, difference } from '../../core/postgres/manifest/difference.ts';
import { readManifestOf } from '../../core/postgres/manifest/read-client.ts';
import { type Statement, mend } from '../../core/postgres/manifest/statements/plan.ts';
import { sameText } from '../../core/postgres/manifest/text.ts';
import type { Manifest } from '../../core/postgres/manifest/types.ts';
import type { TestDatabase } from './servers.ts';

/** The schema of a test database as values. */
export async function manifestOf(database: TestDatabase): Promise<Manifest> {
  const client = await connect({ url: database.url }, { name: 'test', applicationName: 'test' });
  try {
    return await readManifestOf(client, { except: ['pgsluice'] });
  } finally {
    await client.end();
  }
}

/** Of two databases, a line for each: for assertions, empty where they agree. */
export async function schemaDifferences(there: TestDatabase, wanted: TestDatabase): Promise<readonly string[]> {
  return lines(compare(await manifestOf(there), await manifestOf(wanted)));
}

export function compare(there: Manifest, wanted: Manifest): readonly Change[] {
  return difference(there, wanted, { same: (_, a, b) => sameText(a, b) });
}

export function lines(changes: readonly Change[]): readonly string[] {
  return changes.map((change) => {
    const name = change.key.replaceAll('\0', ' ');
    if (change.change !== 'changed') return `${change.change}: ${name}`;
    const props = change.props.map((prop) => `${prop}: ${change.there.props[prop]} → ${change.wanted.props[prop]}`);
    return `changed: ${name} (${props.join('; ')})`;
  });
}

export interface Mended {
  readonly statements: readonly Statement[];
  /** Statements that the server refused, and differences that are left. */
  readonly failures: readonly string[];
}

/** Runs the statements between two databases on the first, one by one as they are printed. */
export async function mendDatabase(target: TestDatabase, source: TestDatabase): Promise<Mended> {
  const [there, wanted] = [await manifestOf(target), await manifestOf(source)];
  const { statements } = mend(compare(there, wanted), { there, wanted });
  const failures: string[] = [];
  const client = await connect({ url: target.url }, { name: 'test', applicationName: 'test' });
  try {
    for (const { sql } of statements) {
      await client.query(sql).catch((error: unknown) => failures.push(`${sql}: ${(error as Error).message}`));
    }
  } finally {
    await client.end();
  }
  return { statements, failures: [...failures, ...lines(compare(await manifestOf(target), wanted))] };
}
