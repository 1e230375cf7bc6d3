import { runtimeError } from '../errors.ts';
import type { RunContext } from '../open/instances.ts';

/** `ddl: follow`: makes the source report its DDL from now on; repeatable. */
export async function tellDdl(context: RunContext): Promise<void> {
  const { source, stop } = context;
  if (source.ddl === undefined) throw runtimeError('PGS6020', 'the source plugin does not tell of DDL');
  await source.ddl.follow(stop);
}
