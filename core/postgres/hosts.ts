import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { badUrl, type Parameter } from './conninfo.ts';

/** One server of a connection's list. */
export interface Host {
  /** Name, address, or folder of a Unix socket: certificates and password files are compared with it. */
  readonly name: string;
  /** The address to connect to instead of resolving the name; null: resolve the name. */
  readonly address: string | null;
  readonly port: number;
}

/** The lists `host`, `hostaddr` and `port` side by side (manual: "Specifying Multiple Hosts"). Throws PGS2009. */
export function hostsOf(get: Parameter, connection: string): readonly Host[] {
  const addresses = list(get('hostaddr'));
  const names = list(get('host'));
  const ports = list(get('port'));
  const count = Math.max(addresses.length, names.length, 1);
  if (addresses.length > 0 && names.length > 0 && addresses.length !== names.length)
    throw badUrl(connection, `${names.length} hosts are given, and ${addresses.length} in hostaddr`);
  if (ports.length > 1 && ports.length !== count)
    throw badUrl(connection, `${count} hosts are given, and ${ports.length} ports`);
  return Array.from({ length: count }, (_, i) => {
    const address = addresses[i] ?? '';
    if (address !== '' && isIP(address) === 0) throw badUrl(connection, `hostaddr "${address}" is not an address`);
    const port = (ports.length === 1 ? ports[0] : ports[i]) ?? '';
    const number = port === '' ? 5432 : Number(port);
    if (!Number.isInteger(number) || number < 1 || number > 65_535)
      throw badUrl(connection, `port "${port}" is not a number of 1 to 65535`);
    const name = names[i] ?? '';
    return { name: name || address || 'localhost', address: address === '' ? null : address, port: number };
  });
}

function list(text: string | undefined): string[] {
  return text === undefined ? [] : text.split(',').map((part) => part.trim());
}

export function hostText({ name, port }: Host): string {
  return name.startsWith('/') ? `${name} (port ${port})` : `${name.includes(':') ? `[${name}]` : name}:${port}`;
}

export function isSocket({ name, address }: Host): boolean {
  return address === null && name.startsWith('/');
}

/** If a server of a certain kind or a random order is requested, each address of a name counts as a host. */
export async function everyAddress(host: Host): Promise<readonly Host[]> {
  if (host.address !== null || isSocket(host) || isIP(host.name) !== 0) return [host];
  // A name that is not found fails when it is connected to, as the error of that host.
  const found = await lookup(host.name, { all: true }).catch(() => []);
  if (found.length < 2) return [host];
  return found.map(({ address }) => ({ ...host, address }));
}

export function shuffled<T>(of: readonly T[]): T[] {
  const all = of.slice();
  for (let i = all.length - 1; i > 0; i--) {
    const other = Math.floor(Math.random() * (i + 1));
    [all[i], all[other]] = [all[other]!, all[i]!];
  }
  return all;
}
