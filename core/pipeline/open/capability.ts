import type { Source } from '../../api/source.ts';
import { runtimeError } from '../errors.ts';

type Capability = 'snapshot' | 'schema' | 'fence' | 'digests' | 'control' | 'assess';

/** A capability that `what` requires. Throws PGS7050 if the source does not have it. */
export function needed<K extends Capability>(source: Source, name: K, what: string): NonNullable<Source[K]> {
  const capability = source[name];
  if (capability === undefined)
    throw runtimeError('PGS7050', `${what} needs \`${name}\`, which this source does not have`);
  return capability;
}

/** Milliseconds for work that must be done although a stop was requested. */
const afterStopMs = 60_000;

export function afterStop(): AbortSignal {
  return AbortSignal.timeout(afterStopMs);
}
