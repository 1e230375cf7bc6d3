import type { RunContext } from './instances.ts';
import { runtimeError } from '../errors.ts';

const key = 'publication';

/** After the pipeline has made or altered its publication. */
export async function notePublication({ source, state }: RunContext): Promise<void> {
  const id = await source.control.publication?.();
  if (id !== undefined && id !== null) await state.put(key, id);
}

/**
 * Whether the publication is still the one that the pipeline made. One of the same name that somebody made anew looks the
 * same, but what was written while there was none was never sent: PostgreSQL 18 goes on without a word. Throws PGS6017; that
 * there is none the server says itself.
 */
export async function checkPublication({ source, state }: RunContext): Promise<void> {
  const noted = state.get(key);
  if (noted === null) return;
  const id = await source.control.publication?.();
  if (id === undefined || id === null || id === noted) return;
  throw runtimeError('PGS6017', 'the publication was dropped and made anew by somebody else');
}
