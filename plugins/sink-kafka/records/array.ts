/** An array's text (manual: "Array Input and Output Syntax"): strings, nulls and nested lists. */
export type ArrayText = readonly (string | null | ArrayText)[];

/** Reads `{1,NULL,"a \"b\""}`, `[0:1]={…}` and nested arrays. `delimiter`: pg_type.typdelim, `;` for box and `:` for PostGIS. */
export function parseArray(text: string, delimiter = ','): ArrayText {
  const start = text.startsWith('[') ? text.indexOf('=') + 1 : 0;
  const stop = delimiter.charCodeAt(0);
  let at = start;

  function list(): ArrayText {
    const items: (string | null | ArrayText)[] = [];
    at++;
    while (text.charCodeAt(at) !== 125) {
      const c = text.charCodeAt(at);
      if (c === 123) items.push(list());
      else if (c === 34) items.push(quoted());
      else items.push(bare());
      if (text.charCodeAt(at) === stop) at++;
      if (at >= text.length) throw new RangeError('array text ends within an array');
    }
    at++;
    return items;
  }
  function quoted(): string {
    let out = '';
    let from = ++at;
    for (;;) {
      const c = text.charCodeAt(at);
      if (c === 34) break;
      if (c === 92) {
        out += text.slice(from, at);
        from = ++at;
      }
      at++;
      if (at > text.length) throw new RangeError('array text ends within a string');
    }
    out += text.slice(from, at);
    at++;
    return out;
  }
  function bare(): string | null {
    const from = at;
    for (;;) {
      const c = text.charCodeAt(at);
      if (c === stop || c === 125 || at >= text.length) break;
      at++;
    }
    const item = text.slice(from, at);
    return item === 'NULL' ? null : item;
  }
  return list();
}

/** A JSON array of the elements; more dimensions nest. */
export function arrayEncoder(element: (text: string) => string, delimiter: string): (text: string) => string {
  const write = (items: ArrayText): string => {
    let out = '[';
    for (let i = 0; i < items.length; i++) {
      const item = items[i] as string | null | ArrayText;
      if (i > 0) out += ',';
      out += item === null ? 'null' : typeof item === 'string' ? element(item) : write(item);
    }
    return `${out}]`;
  };
  return (text) => (text === '{}' ? '[]' : write(parseArray(text, delimiter)));
}
