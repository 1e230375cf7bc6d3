import type { Verb } from './cli.ts';

/** In the order of `pgsluice --help`. A module is imported only when its verb is called. */
export const verbs: readonly Verb[] = [
  {
    name: 'validate',
    summary: 'check a pipeline file offline, all problems at once',
    load: () => import('./verbs/validate.ts'),
  },
  {
    name: 'plugins',
    summary: 'list the plugins with their options',
    load: () => import('./verbs/plugins.ts'),
  },
  {
    name: 'schema',
    summary: 'print the JSON Schema of pipeline files',
    load: () => import('./verbs/schema.ts'),
  },
];
