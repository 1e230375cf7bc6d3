import type { TablePlan } from '../../api/plan.ts';
import type { PlannedSink } from '../open/instances.ts';

/**
 * Whether the stream may carry bytes instead of text: every sink passes every table on unchanged. That avoids most of
 * the cost of decoding, of mapping and of the target's input functions.
 */
export function takesBytes(sinks: readonly PlannedSink[]): boolean {
  return sinks.every((sink) => sink.traits.binaryStream === true && sink.plans.every(passesBytes));
}

function passesBytes({ route, projection, tail }: TablePlan): boolean {
  if (route.kind !== 'raw' || route.format !== 'binary' || tail !== null) return false;
  return projection.where === null && projection.columns.every((column) => column.from !== null);
}
