import { quoteIdent } from '../../../core/postgres/quote.ts';
import { isOurPublication, makerOf } from '../ownership/publication-proof.ts';
import { proveSlot } from '../ownership/slot-proof.ts';
import { readDefinition } from '../publication/definition.ts';
import { slotRemedy } from '../slot.ts';
import type { CheckInput } from './check.ts';

/**
 * A slot or a publication with the pipeline's names that the pipeline did not make: a run would refuse it, and never
 * drops it.
 */
export async function ownership(input: CheckInput): Promise<void> {
  const before = input.report;
  let found = 0;
  const report = { add: (...args: Parameters<typeof before.add>) => (found++, before.add(...args)) };
  await slot({ ...input, report });
  await publication({ ...input, report });
  if (found > 0) return;
  const message = 'slot and publication of these names are free, or of this pipeline';
  before.add({ check: 'ownership', level: 'ok', subject: 'source', message, remedy: null });
}

/** With `snapshot.mode: never` the stream may start at a slot that the user made. */
async function slot({ client, access, options, report }: CheckInput): Promise<void> {
  const proof = await proveSlot(client, access.owner, access);
  if (proof === null) return;
  const mayBeGiven = options.snapshot.mode === 'never' && proof.readable;
  // A state that has begun has its slot, or drops what a killed start left.
  const begun = proof.ours && access.owner.ownership?.id !== null;
  if (mayBeGiven || begun) return;
  report.add({
    check: 'slot-owner',
    level: 'error',
    subject: 'source',
    code: 'PGS2113',
    message: `replication slot ${access.slot} exists already: ${proof.ours ? 'a leftover of this pipeline' : proof.why}`,
    remedy: slotRemedy(access.slot, proof.ours),
  });
}

async function publication({ client, access, options, report }: CheckInput): Promise<void> {
  const there = await readDefinition(client, access.publication);
  if (there === null || isOurPublication(there, access.publication, access.owner)) return;
  // Whether it fits is known only after the tables are planned.
  if (options.snapshot.mode === 'never') return;
  report.add({
    check: 'publication-owner',
    level: 'error',
    subject: 'source',
    code: 'PGS2180',
    message: `publication ${access.publication} exists already: ${makerOf(there)}`,
    remedy: `choose another publication.name; or, if nobody needs it: DROP PUBLICATION ${quoteIdent(access.publication)};`,
  });
}
