import { Agent as HttpAgent, type ClientRequest, type IncomingMessage, request as httpRequest } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ConnectionOptions as TlsOptions } from 'node:tls';
import type { PgsluiceError } from '../../../core/base/error.ts';
import { isTls, kafkaError } from '../errors.ts';

/** A schema as the registry takes it. */
export interface RegistrySchema {
  readonly schemaType: 'AVRO' | 'PROTOBUF';
  readonly schema: string;
  /** Files of the registry that the schema imports. */
  readonly references: readonly ImportedFile[];
}

export interface ImportedFile {
  /** As the import names it; it is the file's subject, too. */
  readonly name: string;
  readonly text: string;
}

export interface RegistryOptions {
  /** Several are tried in turn. */
  readonly urls: readonly string[];
  /** Of the header `authorization`; asked for each request. Null: none. */
  readonly authorization: () => Promise<string | null>;
  readonly tls: TlsOptions;
  /** Milliseconds. */
  readonly timeout: number;
  /** New schemas are registered; else they must be there. */
  readonly register: boolean;
}

interface Answer {
  readonly status: number;
  readonly body: { readonly [member: string]: unknown };
}

const tries = 5;
const mediaType = 'application/vnd.schemaregistry.v1+json';
/** Codes of the API's errors ("Schema Registry API Reference"). */
const notFound = new Set([40401, 40402, 40403]);

/** Confluent's Schema Registry API, in the parts that a producer needs. */
export class RegistryClient {
  readonly #options: RegistryOptions;
  readonly #agents = { http: new HttpAgent({ keepAlive: true }), https: new HttpsAgent({ keepAlive: true }) };
  /** Which of the addresses answered last. */
  #current = 0;
  /** Of imported files. */
  readonly #versions = new Map<string, number>();

  constructor(options: RegistryOptions) {
    this.#options = options;
  }

  /** The schema's id in a subject. Throws PGS5040 to PGS5044. */
  async idOf(subject: string, schema: RegistrySchema): Promise<number> {
    const { register } = this.#options;
    const path = `/subjects/${encodeURIComponent(subject)}${register ? '/versions' : ''}`;
    const answer = await this.#ask('POST', path, await this.#body(schema));
    const { id } = answer.body;
    if (answer.status < 300 && typeof id === 'number') return id;
    throw refused(subject, answer);
  }

  /** Whether the schema could be the subject's next; null: yes, or why not. */
  async objection(subject: string, schema: RegistrySchema): Promise<string | null> {
    const at = encodeURIComponent(subject);
    if (!this.#options.register) {
      const answer = await this.#ask('POST', `/subjects/${at}`, await this.#body(schema));
      if (answer.status < 300) return null;
      if (answer.status === 404) return 'this schema is not registered, and auto_register is false';
      throw refused(subject, answer);
    }
    const path = `/compatibility/subjects/${at}/versions/latest?verbose=true`;
    const answer = await this.#ask('POST', path, bodyAlone(schema));
    if (answer.status === 404) return null;
    if (answer.status >= 300) throw refused(subject, answer);
    if (answer.body['is_compatible'] === true) return null;
    const messages = answer.body['messages'];
    return `not compatible: ${Array.isArray(messages) ? messages.join('; ').slice(0, 500) : 'the registry does not say why'}`;
  }

  close(): void {
    this.#agents.http.destroy();
    this.#agents.https.destroy();
  }

  async #body({ schemaType, schema, references }: RegistrySchema): Promise<string> {
    if (schemaType === 'AVRO') return JSON.stringify({ schema });
    const files = [];
    for (const file of references)
      files.push({ name: file.name, subject: file.name, version: await this.#version(file) });
    return JSON.stringify({ schemaType, schema, references: files });
  }

  /** Of a file that schemas import; registered where it is not there. */
  async #version({ name, text }: ImportedFile): Promise<number> {
    const known = this.#versions.get(name);
    if (known !== undefined) return known;
    const path = `/subjects/${encodeURIComponent(name)}`;
    const body = JSON.stringify({ schemaType: 'PROTOBUF', schema: text });
    if (this.#options.register) {
      const made = await this.#ask('POST', `${path}/versions`, body);
      if (made.status >= 300) throw refused(name, made);
    }
    const answer = await this.#ask('POST', path, body);
    const { version } = answer.body;
    if (typeof version !== 'number') throw refused(name, answer);
    this.#versions.set(name, version);
    return version;
  }

  /** What passes by itself is tried again, at the next address. */
  async #ask(method: 'GET' | 'POST', path: string, body: string): Promise<Answer> {
    const { urls } = this.#options;
    let failure: PgsluiceError | null = null;
    for (let i = 0; i < tries; i++) {
      if (i > 0) await sleep(100 * 2 ** i);
      const url = urls[this.#current % urls.length] as string;
      try {
        const answer = await this.#once(method, `${url.replace(/\/+$/, '')}${path}`, body);
        if (answer.status < 500 && answer.status !== 429 && answer.status !== 408) return answer;
        failure = kafkaError('PGS5040', `the schema registry answered ${answer.status} ${messageOf(answer)}`);
      } catch (cause) {
        const { code = '', message } = cause as NodeJS.ErrnoException;
        if (isTls(code)) throw kafkaError('PGS5041', `TLS to the schema registry: ${code} ${message}`, { cause });
        failure = kafkaError('PGS5040', `no answer from the schema registry: ${code} ${message}`, { cause });
      }
      this.#current++;
    }
    throw failure as PgsluiceError;
  }

  async #once(method: string, url: string, body: string): Promise<Answer> {
    const { tls, timeout, authorization } = this.#options;
    const credentials = await authorization();
    const headers = {
      accept: mediaType,
      'content-type': mediaType,
      'content-length': Buffer.byteLength(body),
      ...(credentials === null ? {} : { authorization: credentials }),
    };
    const signal = AbortSignal.timeout(timeout);
    const common = { method, headers, signal };
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
    const request: ClientRequest = url.startsWith('https:')
      ? httpsRequest(url, { ...tls, ...common, agent: this.#agents.https }, resolve)
      : httpRequest(url, { ...common, agent: this.#agents.http }, resolve);
    request.on('error', reject);
    request.end(body);
    const response = await promise;
    let text = '';
    for await (const chunk of response.setEncoding('utf8')) text += chunk as string;
    return { status: response.statusCode ?? 0, body: parsed(text) };
  }
}

/** Without what it imports, which is not registered for a question. */
function bodyAlone({ schemaType, schema }: RegistrySchema): string {
  return JSON.stringify(schemaType === 'AVRO' ? { schema } : { schemaType, schema });
}

/** A proxy in between may answer with a page. */
function parsed(text: string): Answer['body'] {
  try {
    const value = JSON.parse(text) as unknown;
    if (typeof value === 'object' && value !== null) return value as Answer['body'];
  } catch {
    // Told below.
  }
  return { message: text.slice(0, 200) };
}

function messageOf({ body }: Answer): string {
  const { message } = body;
  return typeof message === 'string' ? message.slice(0, 500) : '';
}

function refused(subject: string, answer: Answer): PgsluiceError {
  const { status, body } = answer;
  const where = { object: `subject ${subject}` };
  const said = `${status} ${messageOf(answer)}`.trim();
  if (status === 401 || status === 403) {
    return kafkaError('PGS5042', `the schema registry refuses access: ${said}`, { where });
  }
  if (status === 409)
    return kafkaError('PGS5043', `the schema is not compatible with subject ${subject}: ${said}`, { where });
  if (status === 404 && (notFound.has(Number(body['error_code'])) || body['error_code'] === undefined)) {
    return kafkaError('PGS5044', `subject ${subject} does not have the schema: ${said}`, { where });
  }
  return kafkaError('PGS5045', `the schema registry does not take the schema of subject ${subject}: ${said}`, {
    where,
  });
}
