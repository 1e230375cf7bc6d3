import { errorFactory } from '../base/error.ts';

/** PGS90xx: plugins. */
export const registryErrors = {
  PGS9001: {
    title: 'Plugin not found',
    cause: 'No built-in plugin, file or npm package of this name can be reached from the folder of the pipeline file.',
    remedy: 'Correct the name or path, or run npm install in the folder of the pipeline file.',
    exit: 2,
    retry: 'never',
  },
  PGS9002: {
    title: 'Plugin cannot be loaded',
    cause: 'Its module threw an error while it was imported, or holds syntax that Node does not run.',
    remedy: 'Mend the module; --debug shows its error. A .ts file may only hold types that can be erased.',
    exit: 2,
    retry: 'never',
  },
  PGS9003: {
    title: 'Not a pgsluice plugin',
    cause:
      'The module has neither a default export nor an export `plugin` of the form {kind, name, apiVersion, summary, options, create}, or it is of another kind.',
    remedy: 'See docs/plugins.md for the form of a plugin.',
    exit: 2,
    retry: 'never',
  },
  PGS9004: {
    title: 'Plugin for another API version',
    cause: 'The plugin was written for a version of the plugin API that this pgsluice does not have.',
    remedy: 'Install a version of the plugin, or of pgsluice, that fits.',
    exit: 2,
    retry: 'never',
  },
  PGS9005: {
    title: 'Invalid options schema of a plugin',
    cause: 'The JSON Schema in `options` is not valid in strict mode, or uses an unknown keyword or format.',
    remedy: 'Tell the author of the plugin; known formats are size, duration and rate.',
    exit: 2,
    retry: 'never',
  },
  PGS9006: {
    title: 'Plugin failed',
    cause: 'The plugin threw an error of its own.',
    remedy: 'See the message; --debug shows the stack of the plugin.',
    exit: 1,
    retry: 'never',
  },
  PGS9007: {
    title: 'Plugin call never ended',
    cause: 'A call into a plugin was still waiting when nothing was left to wait for: a promise that nobody settles.',
    remedy: 'Tell the author of the plugin. Nothing is lost: run again, it resumes from its checkpoint.',
    exit: 1,
    retry: 'never',
  },
} as const;

export const registryError = errorFactory(registryErrors);
