import type { AnyPlugin } from '../../core/api/plugin.ts';
import type { JsonSchema } from '../../core/base/json-schema.ts';
import { type Builtin, Registry } from '../../core/registry/registry.ts';
import type { Transform } from '../../core/api/transform.ts';
import { errorFactory } from '../../core/base/error.ts';

const unused = () => Promise.reject(new Error('a fake plugin is not run'));

const url: JsonSchema = { type: 'string', minLength: 1 };

/** Plugins with options and without behaviour, for tests of files and the command line. */
export const fakePlugins: readonly AnyPlugin[] = [
  {
    kind: 'source',
    name: 'postgres',
    apiVersion: 1,
    summary: 'fake source',
    options: {
      type: 'object',
      required: ['url'],
      properties: {
        url,
        slot: { type: 'object', additionalProperties: false, properties: { name: { type: 'string' } } },
        heartbeat: { type: 'string', format: 'duration', default: '10s' },
      },
    },
    create: unused,
  },
  {
    kind: 'sink',
    name: 'postgres',
    apiVersion: 1,
    summary: 'fake sink',
    options: {
      type: 'object',
      required: ['url'],
      properties: {
        url,
        schema: { type: 'string', enum: ['create', 'existing'], default: 'create' },
        batch: { type: 'string', format: 'size', default: '1MB' },
        parallel: { type: 'boolean', default: true },
        weight: { type: 'number', exclusiveMinimum: 0 },
        topics: { anyOf: [{ type: 'string' }, { type: 'array', items: { type: 'string' }, minItems: 1 }] },
      },
      dependentRequired: { weight: ['topics'] },
    },
    create: unused,
    checkpoint: (options: never) => ({ plugin: 'postgres', options: { url: (options as { url: string }).url } }),
  },
  {
    kind: 'sink',
    name: 'kafka',
    apiVersion: 1,
    summary: 'fake queue',
    deadLetterTopics: true,
    options: {
      type: 'object',
      required: ['brokers'],
      properties: { brokers: { type: 'array', items: { type: 'string' }, minItems: 1 } },
    },
    create: unused,
  },
  {
    kind: 'transform',
    name: 'filter',
    apiVersion: 1,
    summary: 'fake filter',
    options: { type: 'object', required: ['where'], properties: { where: { type: 'string', minLength: 1 } } },
    create: (options: never) => refuseBad((options as { where: string }).where),
  },
  {
    kind: 'checkpoint',
    name: 'postgres',
    apiVersion: 1,
    summary: 'fake state in a database',
    options: { type: 'object', required: ['url'], properties: { url } },
    create: unused,
  },
  {
    kind: 'checkpoint',
    name: 'file',
    apiVersion: 1,
    summary: 'fake state in a file',
    options: { type: 'object', properties: { path: { type: 'string' } } },
    create: unused,
  },
];

const fakeError = errorFactory({
  PGS4199: { title: 'Bad', cause: 'It holds the word BAD.', remedy: 'Remove it.', exit: 2, retry: 'never' },
});

/** Stands for a parser: the word BAD is its only mistake. */
function refuseBad(where: string): Transform {
  const lines = where.split('\n');
  const line = lines.findIndex((text) => text.includes('BAD'));
  if (line !== -1) {
    const at = { option: 'where', line: line + 1, column: lines[line]!.indexOf('BAD') + 1 };
    throw fakeError('PGS4199', `unexpected BAD in ${where.trim()}`, { at });
  }
  return { name: 'filter', plan: () => ({ kind: 'identity' }) };
}

export function fakeRegistry(more: readonly AnyPlugin[] = []): Registry {
  const builtins: Builtin[] = [...fakePlugins, ...more].map((plugin) => ({
    kind: plugin.kind,
    name: plugin.name,
    load: () => Promise.resolve(plugin),
    ...(plugin.kind === 'checkpoint' && plugin.name === 'file' ? { fallback: true as const } : {}),
  }));
  return new Registry(builtins);
}
