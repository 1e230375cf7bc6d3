import type { ApplierOptions } from '../apply/applier.ts';
import type { ApplySession } from '../apply/session.ts';
import type { ExecuteOptions } from './execute.ts';

/** How DDL from the stream is carried out in this session. */
export function schemaOptions({ enforced }: ApplySession, options: ApplierOptions): ExecuteOptions {
  const { pipeline, context, dependents } = options;
  const owner = { pipeline, sink: context.name };
  return { owner, dependents, become: { owner, log: context.log, enforced } };
}
