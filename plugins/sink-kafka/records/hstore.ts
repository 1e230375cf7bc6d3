import { hashOrder, stringHash } from './java-map.ts';
import { jsonString, plainJsonString } from './json.ts';

const pair = /"((?:[^"\\]|\\.)*)"=>(?:"((?:[^"\\]|\\.)*)"|NULL)(?:, )?/gs;

/** hstore as an object (`map`) or as a string that holds the object's JSON; keys in the order of Java's HashMap, as Debezium has them. */
export function hstoreEncoder(mode: 'json' | 'map'): (text: string) => string {
  const write = mode === 'map' ? jsonString : plainJsonString;
  return (text) => {
    const values = new Map<string, string | null>();
    for (const [, key = '', value] of text.matchAll(pair)) {
      values.set(unescaped(key), value === undefined ? null : unescaped(value));
    }
    const items = hashOrder([...values.keys()], stringHash).map((key) => {
      const value = values.get(key) ?? null;
      return `${write(key)}:${value === null ? 'null' : write(value)}`;
    });
    const object = `{${items.join(',')}}`;
    return mode === 'map' ? object : jsonString(object);
  };
}

function unescaped(text: string): string {
  return text.includes('\\') ? text.replace(/\\(.)/gs, '$1') : text;
}
