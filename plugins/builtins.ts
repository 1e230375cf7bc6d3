import type { AnyPlugin } from '../core/api/plugin.ts';

/** The plugins that come with the program. Each is imported when it is used. */
export interface BuiltinPlugin {
  readonly kind: AnyPlugin['kind'];
  readonly name: string;
  readonly load: () => Promise<AnyPlugin>;
}

export const builtins: readonly BuiltinPlugin[] = [];
