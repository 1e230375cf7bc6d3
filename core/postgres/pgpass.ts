import { readFile, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';

/**
 * The password in the file (or ~/.pgpass) for this connection; undefined if there is none (manual: "The Password
 * File"). As in libpq, a file that others may read is not used.
 */
export async function passwordFromFile(
  at: {
    readonly host: string;
    readonly port: number;
    readonly database: string;
    readonly user: string;
  },
  file: string | undefined,
): Promise<string | undefined> {
  const path = file ?? join(homedir(), '.pgpass');
  let text: string;
  try {
    const found = await stat(path);
    if (!found.isFile() || (process.platform !== 'win32' && (found.mode & 0o077) !== 0)) return undefined;
    text = await readFile(path, 'utf8');
  } catch {
    return undefined;
  }
  const wanted = [at.host, String(at.port), at.database, at.user];
  for (const line of text.split(/\r?\n/)) {
    if (line.startsWith('#')) continue;
    const fields = splitEntry(line);
    if (fields.length === 5 && wanted.every((value, i) => matches(fields[i]!, value))) return fields[4];
  }
  return undefined;
}

/** Sockets in libpq's default folder are looked up as localhost; the folder depends on the build of libpq. */
const defaultFolders: ReadonlySet<string> = new Set(['/tmp', '/run/postgresql', '/var/run/postgresql']);

function matches(field: string, value: string): boolean {
  return field === '*' || field === value || (field === 'localhost' && defaultFolders.has(value));
}

/** Fields between colons; a backslash takes the next character as it is. The fifth field is the rest of the line. */
function splitEntry(line: string): string[] {
  const fields = [''];
  for (let i = 0; i < line.length; i++) {
    const character = line[i]!;
    if (character === '\\' && i + 1 < line.length) fields[fields.length - 1]! += line[++i]!;
    else if (character === ':' && fields.length < 5) fields.push('');
    else fields[fields.length - 1]! += character;
  }
  return fields;
}
