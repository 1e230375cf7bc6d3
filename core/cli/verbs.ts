import type { Verb } from './cli.ts';

/** In the order of `pgsluice --help`. A module is imported only when its verb is called. */
export const verbs: readonly Verb[] = [
  {
    name: 'run',
    summary: 'copy, build indexes, catch up and follow; started again it resumes',
    load: () => import('./verbs/run.ts'),
  },
  {
    name: 'plan',
    summary: 'show what run would do',
    load: () => import('./verbs/plan.ts'),
  },
  {
    name: 'check',
    summary: 'live preflight of source and sinks; changes nothing',
    load: () => import('./verbs/check.ts'),
  },
  {
    name: 'assess',
    summary: 'before a migration: sizes, rates, hours, WAL, what stands in the way',
    load: () => import('./verbs/assess.ts'),
  },
  {
    name: 'status',
    summary: 'phase, tables, positions, lag, WAL kept on the source',
    load: () => import('./verbs/status.ts'),
  },
  {
    name: 'verify',
    summary: 'compare source and target; exit 4 if they differ',
    load: () => import('./verbs/verify.ts'),
  },
  {
    name: 'cutover',
    summary: 'the switchover: barrier, verification, sequences, drop of slot and publication',
    load: () => import('./verbs/cutover.ts'),
  },
  {
    name: 'resync',
    summary: 'copy tables again, or for the first time, in a pipeline that exists',
    load: () => import('./verbs/resync.ts'),
  },
  {
    name: 'work',
    summary: 'on another machine: take part in the copy and the index builds of a run',
    load: () => import('./verbs/work.ts'),
  },
  {
    name: 'cleanup',
    summary: 'drop what the pipeline made on the source, and its state',
    load: () => import('./verbs/cleanup.ts'),
  },
  {
    name: 'validate',
    summary: 'check a pipeline file offline, all problems at once',
    load: () => import('./verbs/validate.ts'),
  },
  {
    name: 'test',
    summary: 'run the cases of a pipeline file, without a server',
    load: () => import('./verbs/test.ts'),
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
  {
    name: 'completion',
    summary: 'print the completion script of bash, zsh or fish',
    load: () => import('./verbs/completion.ts'),
  },
  {
    name: 'init',
    summary: 'write a first pipeline file from a live source',
    load: () => import('./verbs/init.ts'),
  },
  {
    name: 'demo',
    summary: 'the whole story on this machine, with real servers and live writes',
    load: () => import('./verbs/demo.ts'),
  },
];
