import type pg from 'pg';
import type { SchemaStep } from '../../../core/api/schema-change.ts';
import { difference } from '../../../core/postgres/manifest/difference.ts';
import { mend } from '../../../core/postgres/manifest/statements/plan.ts';
import { containerOf, list, objectOf } from '../../../core/postgres/manifest/statements/step.ts';
import { type Manifest, type ManifestObject, keyOf } from '../../../core/postgres/manifest/types.ts';
import { describe } from '../../../core/postgres/manifest/statements/refs.ts';
import { labelSteps } from '../../../core/postgres/manifest/statements/types.ts';
import type { BecomeOptions } from './become.ts';
import { readTypes, runApart } from './parts.ts';

/**
 * Changes types to their state on the source. The transaction ends after this (core/pipeline/stream/batches.ts), as a
 * new label of an enum is usable only then (manual: ALTER TYPE). Attributes are not dropped: values would be lost if
 * the message is older than the copy.
 */
export async function becomeTypes(
  client: pg.Client,
  step: Extract<SchemaStep, { kind: 'become-types' }>,
  { log }: BecomeOptions,
): Promise<readonly string[]> {
  const tops = step.now.filter(({ name }) => name.length === 2);
  if (tops.length === 0) return [];
  const there = await readTypes(
    client,
    tops.map(({ name: [schema = '', name = ''] }) => ({ schema, name })),
  );
  const objects = new Map(there.objects);
  const keysNow = new Set(step.now.map(keyOf));
  for (const [key, { kind }] of there.objects)
    if (kind === 'domain constraint' && !keysNow.has(key)) objects.delete(key);
  for (const object of step.now) {
    if (isOlder(object, there)) continue;
    const found = there.objects.get(keyOf(object));
    if (object.kind === 'enum' && found !== undefined && labelSteps(found, object) === null) {
      const text = `${describe(object)}: which of its labels was renamed cannot be told`;
      log.log('warn', 'object-skipped', `not changed in the target: ${text}`);
    } else objects.set(keyOf(object), object);
  }
  const wanted = { ...there, objects };
  const { statements } = mend(difference(there, wanted, { owners: false }), { there, wanted }, { owners: false });
  return runApart(
    client,
    statements.map(({ sql }) => sql),
    log,
  );
}

/** An enum that has more labels than the message was created from a later state. */
function isOlder(object: ManifestObject, there: Manifest): boolean {
  const found = objectOf(there, object.kind, object.name);
  if (object.kind !== 'enum' || found === null) return containerOf(object, there) === null && object.name.length === 3;
  const labels = new Set(list(found.props['labels']));
  const now = list(object.props['labels']);
  return now.length < labels.size && now.every((label) => labels.has(label));
}
