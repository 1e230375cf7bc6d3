import { randomUUID } from 'node:crypto';
import type { CheckpointStore, Json } from '../../api/checkpoint.ts';
import type { Ownership } from '../../api/ownership.ts';
import { parseLsn } from '../../postgres/lsn.ts';
import type { PipelineState } from '../state/pipeline-state.ts';
import { namedPlace } from '../state/place.ts';
import type { Instances } from './instances.ts';

const key = 'owner';
const notes = 'made:';

/** Durable before the first object is made. A state keeps its id for as long as it lives. */
export async function ensureOwner(state: PipelineState): Promise<void> {
  if (state.get(key) === null) await state.put(key, randomUUID());
}

/**
 * What proves which objects on a source are this pipeline's. `instances`: whose sinks tell how far they stand, where they keep
 * that themselves.
 */
export function ownershipOf(state: PipelineState, { sinks }: Pick<Instances, 'sinks'>): Ownership {
  const id = () => state.get(key) as string | null;
  return {
    get id() {
      return id();
    },
    store: state.place.store,
    named: state.place.named,
    noted: (object) => state.get(`${notes}${object}`),
    note: (object, value) => state.put(`${notes}${object}`, value),
    reached: async () => {
      const known = knownPositions(state);
      for (const { sink } of sinks) {
        const at = await sink.stream.resume(new AbortController().signal).catch(() => null);
        if (at !== null) known.push(at);
      }
      return known.reduce<bigint | null>((most, at) => (most === null || at > most ? at : most), null);
    },
  };
}

/** Without a state at hand: what was made is known by the place that the file names. */
export function ownershipByName(store: CheckpointStore): Ownership {
  return {
    id: null,
    store: null,
    named: namedPlace(store),
    noted: () => null,
    note: async () => {},
    reached: async () => null,
  };
}

function knownPositions(state: PipelineState): bigint[] {
  const found: bigint[] = [];
  const add = (value: Json | undefined) => {
    if (typeof value === 'string') found.push(parseLsn(value));
  };
  add((state.get('idle') as { readonly at?: string } | null)?.at);
  for (const at of state.entries('position:').values()) add(at);
  if (state.head?.handoff) found.push(state.head.handoff);
  return found;
}
