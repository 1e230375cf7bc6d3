import { connectionError } from './errors.ts';
import { readService } from './service-file.ts';

/** A connection parameter by libpq's name; undefined: not given, or empty. */
export type Parameter = (name: string) => string | undefined;

/** Environment variables of libpq (manual: "Environment Variables"). */
const environment: Readonly<Record<string, string>> = {
  host: 'PGHOST',
  hostaddr: 'PGHOSTADDR',
  port: 'PGPORT',
  user: 'PGUSER',
  dbname: 'PGDATABASE',
  password: 'PGPASSWORD',
  passfile: 'PGPASSFILE',
  require_auth: 'PGREQUIREAUTH',
  channel_binding: 'PGCHANNELBINDING',
  service: 'PGSERVICE',
  servicefile: 'PGSERVICEFILE',
  options: 'PGOPTIONS',
  sslmode: 'PGSSLMODE',
  sslcert: 'PGSSLCERT',
  sslkey: 'PGSSLKEY',
  sslrootcert: 'PGSSLROOTCERT',
  sslcrl: 'PGSSLCRL',
  sslcrldir: 'PGSSLCRLDIR',
  requirepeer: 'PGREQUIREPEER',
  ssl_min_protocol_version: 'PGSSLMINPROTOCOLVERSION',
  ssl_max_protocol_version: 'PGSSLMAXPROTOCOLVERSION',
  gssencmode: 'PGGSSENCMODE',
  connect_timeout: 'PGCONNECT_TIMEOUT',
  target_session_attrs: 'PGTARGETSESSIONATTRS',
  load_balance_hosts: 'PGLOADBALANCEHOSTS',
};

/** The URL wins over a service, the service over the environment, as in libpq. Throws PGS2009. */
export function readParameters(url: string, name: string): Parameter {
  const given = parseUrl(url, name);
  const fromEnvironment = (param: string): string | undefined => {
    const variable = environment[param];
    return variable === undefined ? undefined : nonEmpty(process.env[variable]);
  };
  const own = (param: string): string | undefined => nonEmpty(given.get(param)) ?? fromEnvironment(param);
  const service = own('service');
  const served = service === undefined ? null : readService(service, own('servicefile'), name);
  return (param) => nonEmpty(given.get(param)) ?? nonEmpty(served?.get(param)) ?? fromEnvironment(param);
}

/**
 * As libpq splits a URI (fe-connect.c, conninfo_uri_parse_options), and not as browsers do: `#` is an ordinary
 * character, `+` is no space, several hosts are separated by commas, and a password may hold anything but `/` (libpq:
 * and `@`).
 */
export function parseUrl(url: string, name: string): ReadonlyMap<string, string> {
  const scheme = /^postgres(?:ql)?:\/\//.exec(url);
  if (scheme === null) throw badUrl(name, 'the URL is not of the form postgres://user:password@host:port/database');
  const parameters = new Map<string, string>();
  let rest = url.slice(scheme[0].length);
  const login = /^([^/]*)@/.exec(rest);
  if (login !== null) {
    const [user, password] = cut(login[1]!, ':');
    parameters.set('user', decode(user));
    if (password !== undefined) parameters.set('password', decode(password));
    rest = rest.slice(login[0].length);
  }
  const hosts = /^(?:(?:\[[^\]]*\]|[^:/?,[]*)(?::[^/?,]*)?,?)*/.exec(rest)![0];
  const [path, query] = cut(rest.slice(hosts.length), '?');
  if (path !== '' && !path.startsWith('/')) throw badUrl(name, 'the host of the URL is not understood');
  readHosts(hosts, parameters);
  if (path.length > 1) parameters.set('dbname', decode(path.slice(1)));
  for (const pair of query === undefined || query === '' ? [] : query.split('&')) {
    const [key, value] = cut(pair, '=').map((text) => decode(text ?? ''));
    // JDBC's parameter, which libpq accepts, too.
    if (key === 'ssl' && value === 'true') parameters.set('sslmode', 'require');
    else if (value !== '') parameters.set(key!, value!);
  }
  return parameters;
}

function readHosts(hosts: string, parameters: Map<string, string>): void {
  const each = hosts.split(/,(?![^[]*\])/).map((text) => /^(\[[^\]]*\]|[^:]*)(?::(.*))?$/.exec(text)!);
  parameters.set('host', each.map(([, host]) => decode(bare(host!))).join(','));
  const ports = each.map(([, , port]) => port ?? '');
  if (ports.some((port) => port !== '')) parameters.set('port', ports.join(','));
}

function bare(host: string): string {
  return host.replace(/^\[(.*)\]$/, '$1');
}

function cut(text: string, at: string): [string, string | undefined] {
  const place = text.indexOf(at);
  return place === -1 ? [text, undefined] : [text.slice(0, place), text.slice(place + 1)];
}

export function badUrl(name: string, what: string): Error {
  return connectionError('PGS2009', what, { where: { connection: name } });
}

function nonEmpty(text: string | null | undefined): string | undefined {
  return text === null || text === undefined || text === '' ? undefined : text;
}

/** Text that is no valid percent-encoding is taken as it is: it may be a password. */
function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
