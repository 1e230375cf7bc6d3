import { readFile } from 'node:fs/promises';
import { isAbsolute, join } from 'node:path';
import { tlsOf } from '../client/security.ts';
import { kafkaError } from '../errors.ts';
import type { RegistryFileOptions } from '../options.ts';
import type { ConnectSchema } from './connect-schema.ts';
import { fullName } from './names.ts';
import { RegistryClient, type RegistrySchema } from './registry-client.ts';

export interface RegistryContext {
  /** Of the pipeline file. */
  readonly directory: string;
  /** Milliseconds. */
  readonly timeout: number;
}

/** The registry of a sink, reached when it is first asked; each schema is asked for once. */
export class Registry {
  readonly #options: RegistryFileOptions;
  readonly #context: RegistryContext;
  #client: Promise<RegistryClient> | null = null;
  /** By subject, then by the schema's text. */
  readonly #ids = new Map<string, Map<string, Promise<number>>>();

  /** Throws PGS5018. */
  constructor(options: RegistryFileOptions, context: RegistryContext) {
    this.#options = options;
    this.#context = context;
    const { username, password, token, token_file: file } = options;
    if ((username === undefined) !== (password === undefined)) {
      throw kafkaError('PGS5018', '`registry.username` and `registry.password` are wanted together');
    }
    if ([username, token, file].filter((way) => way !== undefined).length > 1) {
      throw kafkaError('PGS5018', '`registry` takes one of username and password, token, and token_file');
    }
  }

  /** As the strategies of Confluent's serializers name it. */
  subject(topic: string, part: 'key' | 'value', schema: ConnectSchema): string {
    const record = fullName(schema.name ?? '');
    switch (this.#options.subject_name) {
      case 'TopicName':
        return `${topic}-${part}`;
      case 'RecordName':
        return record === '' ? `${topic}-${part}` : record;
      default:
        return record === '' ? `${topic}-${part}` : `${topic}-${record}`;
    }
  }

  async idOf(subject: string, schema: RegistrySchema): Promise<number> {
    let ids = this.#ids.get(subject);
    if (ids === undefined) this.#ids.set(subject, (ids = new Map()));
    const known = ids.get(schema.schema);
    if (known !== undefined) return known;
    const asked = this.#connected().then((client) => client.idOf(subject, schema));
    ids.set(schema.schema, asked);
    try {
      return await asked;
    } catch (error) {
      ids.delete(schema.schema);
      throw error;
    }
  }

  /** See {@link RegistryClient.objection}. */
  async objection(subject: string, schema: RegistrySchema): Promise<string | null> {
    return (await this.#connected()).objection(subject, schema);
  }

  async close(): Promise<void> {
    (await this.#client?.catch(() => null))?.close();
    this.#client = null;
  }

  #connected(): Promise<RegistryClient> {
    this.#client ??= this.#open();
    return this.#client;
  }

  async #open(): Promise<RegistryClient> {
    const { url, ssl, auto_register: register } = this.#options;
    const { directory, timeout } = this.#context;
    const urls = url.split(',').map((one) => one.trim());
    const tls = typeof ssl === 'object' ? await tlsOf(ssl, directory) : {};
    return new RegistryClient({ urls, tls, timeout, register, authorization: () => this.#authorization() });
  }

  async #authorization(): Promise<string | null> {
    const { username, password, token, token_file: file } = this.#options;
    if (username !== undefined) return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
    if (token !== undefined) return `Bearer ${token}`;
    if (file === undefined) return null;
    const path = isAbsolute(file) ? file : join(this.#context.directory, file);
    return `Bearer ${(await readFile(path, 'utf8')).trim()}`;
  }
}
