import { existsSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { connectionError } from './errors.ts';

/** Where pg_service.conf of the whole machine is: PGSYSCONFDIR, else as Debian and Red Hat have it. */
const systemFolders = ['/etc/postgresql-common', '/etc/sysconfig/pgsql', '/etc'];

/**
 * The parameters of a service (manual: "The Connection Service File"): from `file` (or ~/.pg_service.conf), else from the one of the
 * machine. Throws PGS2009 where neither has it.
 */
export function readService(service: string, file: string | undefined, name: string): ReadonlyMap<string, string> {
  const system = process.env['PGSYSCONFDIR'];
  const folders = system === undefined || system === '' ? systemFolders : [system];
  const files = [
    file ?? join(homedir(), '.pg_service.conf'),
    ...folders.map((folder) => join(folder, 'pg_service.conf')),
  ];
  for (const path of files) {
    if (!existsSync(path)) {
      if (path === file) throw refused(name, `the service file ${path} does not exist`);
      continue;
    }
    const found = sectionOf(readFileSync(path, 'utf8'), service, { path, name });
    if (found !== null) return found;
  }
  throw refused(name, `no service file has a section [${service}]`);
}

function sectionOf(
  text: string,
  service: string,
  at: { readonly path: string; readonly name: string },
): ReadonlyMap<string, string> | null {
  let section: Map<string, string> | null = null;
  for (const [i, raw] of text.split('\n').entries()) {
    const line = raw.trim();
    if (line === '' || line.startsWith('#')) continue;
    if (line.startsWith('[')) {
      if (section !== null) return section;
      if (line === `[${service}]`) section = new Map();
      continue;
    }
    if (section === null) continue;
    const equals = line.indexOf('=');
    const key = line.slice(0, equals);
    // An LDAP lookup is refused, too: silently ignored, it would be missed.
    if (equals < 1 || key === 'service' || key === 'servicefile' || line.startsWith('ldap'))
      throw refused(at.name, `line ${i + 1} of ${at.path} is not a parameter that a service may have`);
    // Of duplicate keys the first counts, as in libpq.
    if (!section.has(key)) section.set(key, line.slice(equals + 1));
  }
  return section;
}

function refused(name: string, what: string): Error {
  return connectionError('PGS2009', what, {
    where: { connection: name },
    remedy: 'Correct service= in the URL (or PGSERVICE), or the file that PGSERVICEFILE names.',
  });
}
