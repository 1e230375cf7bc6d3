import { createHash } from 'node:crypto';
import type { CheckpointStore } from '../../api/checkpoint.ts';

/** Where a state is kept, in a short form without machine names: it is written into comments on the source. */
export interface StatePlace {
  /** The place itself, independent of the name that leads there. */
  readonly store: string | null;
  /** Its name in the pipeline file. */
  readonly named: string | null;
}

const shortened = (text: string): string => createHash('sha256').update(text).digest('hex').slice(0, 16);

export function namedPlace({ named }: CheckpointStore): string | null {
  return named === undefined ? null : shortened(named);
}

export async function placeOf(store: CheckpointStore): Promise<StatePlace> {
  const place = (await store.place?.()) ?? null;
  return { store: place === null ? null : shortened(place), named: namedPlace(store) };
}
