import { randomUUID } from 'node:crypto';
import type { CheckpointStore } from '../../api/checkpoint.ts';
import type { Ownership } from '../../api/ownership.ts';
import type { PipelineState } from '../state/pipeline-state.ts';
import { namedPlace } from '../state/place.ts';
import type { Instances } from './instances.ts';
import { member } from '../state/entries.ts';

/** Durable before the first object is made. A state keeps its owner id for its whole life. */
export async function ensureOwner(state: PipelineState): Promise<void> {
  if (state.get('owner') === null) await state.put('owner', randomUUID());
}

/**
 * What proves which objects on a source belong to this pipeline. `instances`: sinks that keep their positions
 * themselves report them.
 */
export function ownershipOf(state: PipelineState, { sinks }: Pick<Instances, 'sinks'>): Ownership {
  return {
    get id() {
      return state.get('owner');
    },
    store: state.place.store,
    named: state.place.named,
    noted: (object) => state.of('made', object),
    note: (object, value) => state.putAll([member('made', object, value)]),
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

/** Without a state: objects are recognised by the checkpoint that the file names. */
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
  const idle = state.get('idle')?.at ?? null;
  const handoff = state.head?.handoff ?? null;
  return [idle, handoff, ...state.all('position').values()].filter((at) => at !== null);
}
