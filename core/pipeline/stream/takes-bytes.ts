import type { TablePlan } from '../../api/plan.ts';
import type { PlannedSink } from '../open/instances.ts';

/**
 * Whether the stream may carry bytes instead of text: every sink passes every table on as it is. That is most of what
 * decoding, the way through here and the target's input functions cost.
 */
export function takesBytes(sinks: readonly PlannedSink[]): boolean {
  return sinks.every((sink) => sink.traits.binaryStream === true && sink.plans.every(passesBytes));
}

function passesBytes({ route, projection, tail }: TablePlan): boolean {
  if (route.kind !== 'raw' || route.format !== 'binary' || tail !== null) return false;
  return projection.where === null && projection.columns.every((column) => column.from !== null);
}
