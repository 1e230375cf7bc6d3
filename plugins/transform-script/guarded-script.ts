import { fileURLToPath } from 'node:url';
import { PgsluiceError } from '../../core/base/error.ts';
import type { Script } from '../../core/api/script.ts';
import { scriptError } from './errors.ts';

/**
 * A script whose errors are reported without their messages: JSON.parse, for one, quotes its input, so a message is as
 * secret as the rows (I11). Reported instead: the kind of error and the place in the script.
 */
export function guardedScript(run: Script, debugValues: boolean): Script {
  return async (rows, info) => {
    try {
      return await run(rows, info);
    } catch (error) {
      if (error instanceof PgsluiceError) throw error;
      if (debugValues) throw scriptError('PGS4063', `the script failed: ${String(error)}`, { cause: error });
      const kind = error instanceof Error ? error.name : typeof error;
      const frames = framesOf(error);
      // The first place that is in a file: JSON.parse and other built-ins have none.
      const frame = frames.find((line) => line.includes('file://')) ?? frames[0];
      const place = frame === undefined ? '' : ` at ${placeOf(frame)}`;
      const quiet = new Error(`${kind} (message hidden)`);
      quiet.stack = [quiet.message, ...frames].join('\n');
      throw scriptError('PGS4063', `the script threw ${kind}${place}`, { cause: quiet });
    }
  };
}

/** The lines of a stack that are places; the message before them may have any number of lines. */
function framesOf(error: unknown): readonly string[] {
  if (!(error instanceof Error) || error.stack === undefined) return [];
  const rest = error.stack.startsWith(`${error.name}: ${error.message}`)
    ? error.stack.slice(error.name.length + 2 + error.message.length)
    : '';
  return rest.split('\n').filter((line) => /^ {4}at .*(?:\d+:\d+\)?|native\)?|<anonymous>\)?)$/.test(line));
}

/** `enrich.ts:12:9` of `    at enrich (file:///srv/enrich.ts:12:9)`. */
function placeOf(frame: string): string {
  const url = /(file:\/\/\S+?):(\d+):(\d+)\)?$/.exec(frame);
  if (url === null) return frame.trim().replace(/^at /, '');
  return `${fileURLToPath(url[1]!).split(/[\\/]/).at(-1)}:${url[2]}:${url[3]}`;
}
