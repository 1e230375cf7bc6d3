import { readFile } from 'node:fs/promises';
import { isAbsolute, join } from 'node:path';
import type { ConnectionOptions as TlsOptions } from 'node:tls';
import { kafkaError } from '../errors.ts';
import type { SaslOptions, SslOptions } from '../options.ts';

export interface Security {
  /** Null: no TLS. Certificates are always verified. */
  readonly tls: TlsOptions | null;
  readonly sasl: SaslOptions | null;
  /** Bearer token for OAUTHBEARER, fetched again for each connection. */
  token(): Promise<string>;
}

export async function security(
  ssl: boolean | SslOptions,
  sasl: SaslOptions | null,
  directory: string,
): Promise<Security> {
  const path = (file: string) => (isAbsolute(file) ? file : join(directory, file));
  checkSasl(sasl);
  return { tls: ssl === false ? null : await tls(ssl === true ? {} : ssl, path), sasl, token: () => token(sasl, path) };
}

/** Relative paths start at the directory. */
export function tlsOf(ssl: SslOptions, directory: string): Promise<TlsOptions> {
  return tls(ssl, (file) => (isAbsolute(file) ? file : join(directory, file)));
}

async function tls(ssl: SslOptions, path: (file: string) => string): Promise<TlsOptions> {
  const read = async (file: string) => {
    try {
      return await readFile(path(file));
    } catch (cause) {
      throw kafkaError('PGS5018', `cannot read the file ${file} that ssl names`, { cause });
    }
  };
  return {
    rejectUnauthorized: true,
    ...(ssl.ca === undefined ? {} : { ca: await read(ssl.ca) }),
    ...(ssl.cert === undefined ? {} : { cert: await read(ssl.cert) }),
    ...(ssl.key === undefined ? {} : { key: await read(ssl.key) }),
    ...(ssl.passphrase === undefined ? {} : { passphrase: ssl.passphrase }),
    ...(ssl.servername === undefined ? {} : { servername: ssl.servername }),
  };
}

function checkSasl(sasl: SaslOptions | null): void {
  if (sasl === null) return;
  if (sasl.mechanism !== 'oauthbearer') {
    if (sasl.username !== undefined && sasl.password !== undefined) return;
    throw kafkaError('PGS5018', `sasl.mechanism ${sasl.mechanism} needs username and password`);
  }
  const ways = [sasl.token, sasl.token_file, sasl.token_url].filter((way) => way !== undefined);
  if (ways.length !== 1) {
    throw kafkaError('PGS5018', 'sasl.mechanism oauthbearer needs one of token, token_file and token_url');
  }
}

async function token(sasl: SaslOptions | null, path: (file: string) => string): Promise<string> {
  if (sasl?.token !== undefined) return sasl.token;
  if (sasl?.token_file !== undefined) return (await readFile(path(sasl.token_file), 'utf8')).trim();
  return fetchToken(sasl as SaslOptions);
}

/** Client credentials grant (RFC 6749, 4.4). */
async function fetchToken(sasl: SaslOptions): Promise<string> {
  const body = new URLSearchParams({
    grant_type: 'client_credentials',
    ...(sasl.scope === undefined ? {} : { scope: sasl.scope }),
  });
  const basic = Buffer.from(`${sasl.client_id ?? ''}:${sasl.client_secret ?? ''}`).toString('base64');
  const response = await fetch(sasl.token_url as string, {
    method: 'POST',
    body,
    headers: { authorization: `Basic ${basic}` },
    signal: AbortSignal.timeout(15_000),
  });
  const answer = (await response.json().catch(() => null)) as { access_token?: unknown } | null;
  if (!response.ok || typeof answer?.access_token !== 'string') {
    throw kafkaError('PGS5002', `the token endpoint answered ${response.status} without an access token`);
  }
  return answer.access_token;
}
