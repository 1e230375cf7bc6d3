import { BlockList, isIP } from 'node:net';

export interface Address {
  readonly host: string;
  readonly port: number;
}

/** `HOST:PORT` as the pipeline file has it, an IPv6 address in brackets. */
export function readAddress(text: string): Address {
  const at = text.lastIndexOf(':');
  return { host: text.slice(0, at).replace(/^\[(.*)\]$/, '$1'), port: Number(text.slice(at + 1)) };
}

const loopback = new BlockList();
loopback.addSubnet('127.0.0.0', 8, 'ipv4');
loopback.addAddress('::1', 'ipv6');

export function isLoopback(host: string): boolean {
  if (host === 'localhost') return true;
  const family = isIP(host);
  return family !== 0 && loopback.check(host, family === 6 ? 'ipv6' : 'ipv4');
}

/**
 * Whether a request to a loopback server names it as something on this machine. A web page of elsewhere can have its own
 * name resolve to 127.0.0.1 and so read what only this machine shall see; such a request carries that name.
 */
export function isLocalName(hostHeader: string | undefined): boolean {
  if (hostHeader === undefined) return true;
  const name = hostHeader.replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1');
  return name === 'localhost' || name.endsWith('.localhost') || isIP(name) !== 0;
}
