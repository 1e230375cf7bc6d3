import type { ApplierOptions } from '../apply/applier.ts';
import type { ApplySession } from '../apply/session.ts';
import type { ExecuteOptions } from './execute.ts';

/** How DDL that comes with the stream is carried out in this session. */
export function schemaOptions({ enforced }: ApplySession, options: ApplierOptions): ExecuteOptions {
  const { pipeline, context, dependents } = options;
  return { dependents, become: { owner: { pipeline, sink: context.name }, log: context.log, enforced } };
}
