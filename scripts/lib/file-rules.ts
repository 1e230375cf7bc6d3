import { execFileSync } from 'node:child_process';
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';

const maxLines = 400;
/** Folders of one machine; a reader elsewhere has none of them. */
const machinePath = /(?:^|[\s"'`(=:])(\/(?:work|root|Users|home\/[a-z][\w-]*)\/[\w.-]+)/;
const text =
  /\.(?:ts|js|mjs|json|ya?ml|md|html|css|sql|txt|expected|sh)$|(?:^|\/)(?:Dockerfile|run|LICENSE|\.gitignore)$/;

/** Rules on all tracked files, and on those about to be: sizes, the lock file's hosts, paths of a machine. */
export function checkFiles(root: string): string[] {
  return tracked(root).flatMap((file) => {
    if (!text.test(file) || !isFile(join(root, file))) return [];
    const content = readFileSync(join(root, file), 'utf8');
    return [...tooLong(file, content), ...machinePaths(file, content), ...lockHosts(file, content)];
  });
}

function tracked(root: string): string[] {
  const output = execFileSync('git', ['ls-files', '-z', '--cached'], {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 1 << 26,
  });
  return output.split('\0').filter((file) => file !== '');
}

function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() === true;
}

export function tooLong(file: string, content: string): string[] {
  if (!/^(?:core|plugins|test|bench|scripts|bin|configs)\/.*\.(?:ts|js|html|css)$/.test(file)) return [];
  const lines = content.split('\n').length - 1;
  return lines <= maxLines ? [] : [`${file}: ${lines} lines, more than ${maxLines}`];
}

export function machinePaths(file: string, content: string): string[] {
  return content.split('\n').flatMap((line, index) => {
    const found = machinePath.exec(line)?.[1];
    return found === undefined ? [] : [`${file}:${index + 1}: path of one machine: ${found}`];
  });
}

/** Everything in the lock file comes from the public registry, or is part of the repository. */
export function lockHosts(file: string, content: string): string[] {
  if (!/(?:^|\/)package-lock\.json$/.test(file)) return [];
  return [...content.matchAll(/"resolved": "([^"]+)"/g)].flatMap(([, url]) =>
    url!.startsWith('https://registry.npmjs.org/') || !url!.includes(':') ? [] : [`${file}: resolved from ${url}`],
  );
}
