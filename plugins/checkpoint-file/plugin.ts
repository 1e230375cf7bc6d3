import { join, resolve } from 'node:path';
import { definePlugin } from '../../core/api/plugin.ts';
import { Options, type Static, Text, Type } from '../../core/base/options.ts';
import { checkpointFileErrors } from './errors.ts';
import { FileCheckpoint } from './store.ts';

const fileOptions = Options({
  path: Type.Optional(
    Text({ description: 'The file, from the folder of the pipeline file; default .pgsluice/<pipeline>.json' }),
  ),
});
export type FileOptions = Static<typeof fileOptions>;

/** Core's state in a JSON file; a run holds a lock file beside it. */
export const checkpointFile = definePlugin<FileOptions>({
  kind: 'checkpoint',
  name: 'file',
  apiVersion: 1,
  summary: 'State of the pipeline in a JSON file.',
  options: fileOptions,
  errors: checkpointFileErrors,
  create: async (options, context) => {
    const path = options.path ?? join('.pgsluice', `${context.pipeline}.json`);
    return new FileCheckpoint(resolve(context.directory, path), context.pipeline);
  },
});
