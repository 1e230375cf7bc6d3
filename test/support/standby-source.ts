import type { LocalServer } from '../../core/servers/local-server.ts';
import { type SharedServer, shared } from './servers.ts';
import { startStandby } from './standby.ts';

/**
 * `PGSLUICE_SOURCE=standby npm test -- e2e`: each shared server from 16 on gets a standby, and pipelines whose source it is read the
 * standby, with the server as `source.primary`. Tests write and look where they always do. With `standby:16` or `standby:18`
 * the tests that ask for 17, which is most, get a server of that major.
 */
export const standbyMode = /^standby(?::(1[678]))?$/.exec(process.env['PGSLUICE_SOURCE'] ?? '');

/** Why a test is left out there; false where it is not. */
export function notFromStandby(why: string): string | false {
  return standbyMode === null ? false : `not from a standby: ${why}`;
}

/** The major that stands for another. */
export function majorFor(asked: number): number {
  return asked === 17 && standbyMode?.[1] !== undefined ? Number(standbyMode[1]) : asked;
}

/** A commit returns once the standby shows it: else a test that looks at once would not find what it wrote. */
export async function pairedStandby(primary: LocalServer): Promise<LocalServer | null> {
  if (standbyMode === null || primary.major < 16) return null;
  const standby = await startStandby(primary, { hot_standby_feedback: 'on' });
  await primary.query(`ALTER SYSTEM SET synchronous_standby_names = 'standby'`);
  await primary.query(`ALTER SYSTEM SET synchronous_commit = 'remote_apply'`);
  await primary.query('SELECT pg_reload_conf()');
  return standby;
}

/** A pipeline file whose source is the standby of the server that it names. */
export function fromStandby(yaml: string): string {
  if (standbyMode === null) return yaml;
  const pairs = new Map(Object.values(shared()).map((server) => [String(server.port), server]));
  const end = (from: number) => {
    const next = yaml.slice(from).search(/\n[a-z]/);
    return next === -1 ? yaml.length : from + next;
  };
  const at = yaml.search(/^source:/m);
  if (at === -1 || /^source:[^]*?\bprimary:/m.test(yaml.slice(0, end(at)))) return yaml;
  const block = yaml.slice(at, end(at));
  return yaml.slice(0, at) + block.replace(sourceUrl, (...found) => both(found, pairs)) + yaml.slice(end(at));
}

/** `url: X` of a file of the tests, quoted or not, in a line of its own or in braces. */
const sourceUrl = /([\n{,][ ]*)url: ("?)(postgres:\/\/[^\s"]*?127\.0\.0\.1:)(\d+)([^\s",}]*)"?/;

function both([whole, before, quote, start, port, rest]: readonly string[], pairs: ReadonlyMap<string, SharedServer>) {
  const standby = pairs.get(port!)?.standby ?? null;
  if (standby === null) return whole!;
  const written = (on: string | number) => `${quote}${start}${on}${rest}${quote}`;
  const between = before!.startsWith('\n') ? before : ', ';
  return `${before}url: ${written(standby)}${between}primary: ${written(port!)}`;
}
