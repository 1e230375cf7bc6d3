export interface GoldenRecord {
  readonly topic: string;
  readonly key: string | null;
  readonly value: string | null;
  readonly headers: readonly (readonly [name: string, value: string])[];
}

/** A column in which Debezium's value is a fault of its own; `only` narrows it to records of which either text holds one of these. */
export interface Exception {
  readonly table: string;
  readonly column: string;
  readonly only?: RegExp;
}

export interface Differences {
  readonly records: number;
  readonly found: readonly string[];
}

/**
 * Compares what two programs wrote to the same topics, text by text, without reading values: what differs by nature from run to run is
 * replaced in the text, by the one number that the other side has in its place.
 */
export function compareRecords(
  golden: readonly GoldenRecord[],
  ours: readonly GoldenRecord[],
  exceptions: readonly Exception[],
): Differences {
  const found: string[] = [];
  const twins = new Twins();
  const [left, right] = [byTopic(golden), byTopic(ours)];
  let records = 0;
  for (const topic of new Set([...left.keys(), ...right.keys()])) {
    const [a, b] = [left.get(topic) ?? [], right.get(topic) ?? []];
    if (a.length !== b.length) found.push(`${topic}: ${a.length} records, ours ${b.length}`);
    for (let i = 0; i < Math.min(a.length, b.length); i++) {
      records++;
      found.push(...differences(topic, [a[i]!, b[i]!], { twins, exceptions }).map((text) => `${topic} #${i} ${text}`));
    }
  }
  return { records, found };
}

function byTopic(records: readonly GoldenRecord[]): ReadonlyMap<string, readonly GoldenRecord[]> {
  const topics = new Map<string, GoldenRecord[]>();
  for (const record of records) {
    const known = topics.get(record.topic);
    if (known === undefined) topics.set(record.topic, [record]);
    else known.push(record);
  }
  return topics;
}

function differences(
  topic: string,
  [golden, ours]: readonly [GoldenRecord, GoldenRecord],
  by: { readonly twins: Twins; readonly exceptions: readonly Exception[] },
): string[] {
  const out: string[] = [];
  const same = (what: string, a: string | null, b: string | null) => {
    const problem = a === null || b === null ? (a === b ? null : 'one is null') : firstDifference(a, b);
    if (problem !== null) out.push(`${golden.key ?? ''} ${what}: ${problem}`);
  };
  const columns = exceptionsOf(topic, [golden, ours], by.exceptions);
  const masked = (record: GoldenRecord) => mask(record.value, columns);
  const [goldenValue, oursValue] = [masked(golden), masked(ours)];
  const [a, b] = by.twins.align(goldenValue, oursValue, out);
  same('value', a, b);
  const [keyA, keyB] = by.twins.align(golden.key, ours.key, out);
  same('key', keyA, keyB);
  const headers = (record: GoldenRecord) =>
    JSON.stringify(record.headers.filter(([name]) => name !== '__debezium.context.runId'));
  same('headers', headers(golden), headers(ours));
  return out;
}

function exceptionsOf(topic: string, pair: readonly GoldenRecord[], all: readonly Exception[]): readonly string[] {
  const table = topic.slice(topic.lastIndexOf('.') + 1);
  const texts = pair.map(({ key, value }) => `${key ?? ''} ${value ?? ''}`);
  const wanted = all.filter((each) => each.table === table && texts.some((text) => each.only?.test(text) ?? true));
  return wanted.map(({ column }) => column);
}

const json = String.raw`(?:"(?:[^"\\]|\\.)*"|\[[^\]]*\]|\{[^}]*\}|null|true|false|-?[0-9.E]+)`;

function mask(value: string | null, columns: readonly string[]): string | null {
  if (value === null) return null;
  let text = value;
  for (const column of columns) text = text.replace(new RegExp(`"${column}":${json}`, 'g'), `"${column}":*`);
  // Processing, not the source: the envelope's own, and all of them for a snapshot.
  text = text.replace(/("op":"\w",)"ts_ms":\d+(?:,"ts_us":\d+,"ts_ns":\d+)?/, '$1*');
  if (!/"(?:op|iodebeziumop)":"r"/.test(text)) return text;
  return text
    .replace(/"ts_(ms|us|ns)":\d+/g, '"ts_$1":*')
    .replace(/"iodebeziumts(ms|us|ns)":"\d+"/g, '"iodebeziumts$1":*')
    .replace(/"time":"[^"]*"/, '"time":*')
    .replace(
      /"(snapshot|iodebeziumsnapshot)":"(?:true|first|last|first_in_data_collection|last_in_data_collection)"/,
      '"$1":*',
    );
}

/** Numbers of a run, by what they are; the same kind may stand in several places, which then must agree. */
const numbers: readonly (readonly [kind: string, pattern: RegExp])[] = [
  // Keys of transactions, before anything in them.
  ['id', /(?<=^\{"id":")\d+:\d+/g],
  ['end', /(?<="(?:sequence|iodebeziumsequence)":"\[\\")\d+/g],
  ['lsn', /(?<="(?:sequence|iodebeziumsequence)":"\[(?:null|\\"\w+\\"),\\")\d+/g],
  ['lsn', /(?<="lsn":)\d+/g],
  ['lsn', /(?<="iodebeziumlsn":")\d+/g],
  ['xid', /(?<="(?:txId|iodebeziumtxId)":"?)\d+/g],
  ['end', /(?<="status":"END","id":"\d+:)\d+/g],
  ['lsn', /(?<="status":"BEGIN","id":"\d+:)\d+/g],
  ['lsn', /(?<="transaction":\{"id":"\d+:)\d+/g],
  ['xid', /(?<="id":"|;txId:)\d+(?=:|;)/g],
  ['lsn', /(?<=;lsn:)\d+/g],
  ['end', /(?<=;sequence:\[\\")\d+/g],
  ['lsn', /(?<=;sequence:\[(?:null|\\"\w+\\"),\\")\d+/g],
  ['us', /(?<="(?:ts_us|iodebeziumtsus)":"?)\d+/g],
];

/** Finds for each number of one run its twin in the other: always the same one. */
class Twins {
  readonly #forth = new Map<string, string>();
  readonly #back = new Map<string, string>();

  /** The texts with the second run's numbers written as the first one's where they are twins. */
  align(a: string | null, b: string | null, problems: string[]): readonly [string | null, string | null] {
    if (a === null || b === null) return [a, b];
    let [left, right] = [withoutUnits(a), withoutUnits(b)];
    // A logical message has the position of its end (logicalmsg_decode), which is that of the next change where nothing comes between.
    const message = a.includes('"op":"m"');
    // That of a snapshot may be the next record's, which in the other run is another one.
    const snapshot = a.includes('"op":"r"');
    for (const [of, pattern] of numbers) {
      const kind = of !== 'lsn' ? of : message ? 'lsn of a message' : snapshot ? 'lsn of a snapshot' : of;
      const [mine, theirs] = [[...left.matchAll(pattern)], [...right.matchAll(pattern)]];
      if (mine.length !== theirs.length) continue;
      mine.forEach(([number], i) => {
        const other = theirs[i]![0];
        if (!this.#pair(kind, number, other))
          problems.push(`${kind} ${number} stands for ${other}, and for another one`);
      });
      left = left.replace(pattern, kind);
      right = right.replace(pattern, kind);
    }
    return [left, right];
  }

  #pair(kind: string, a: string, b: string): boolean {
    const [known, knownBack] = [this.#forth.get(`${kind} ${a}`), this.#back.get(`${kind} ${b}`)];
    this.#forth.set(`${kind} ${a}`, b);
    this.#back.set(`${kind} ${b}`, a);
    return (known ?? b) === b && (knownBack ?? a) === a;
  }
}

/** Milliseconds and nanoseconds, where they are those of the microseconds; of records without, milliseconds as they are. */
function withoutUnits(text: string): string {
  const micros = /"(?:ts_us|iodebeziumtsus)":"?(\d+)/.exec(text)?.[1];
  return text
    .replace(/(?<="(?:ts_ms|iodebeziumtsms)":"?)\d+/g, (ms) =>
      micros === undefined || micros.startsWith(ms) ? 'ms' : ms,
    )
    .replace(/(?<="(?:ts_ns|iodebeziumtsns)":"?)\d+/g, (ns) => (ns === `${micros}000` ? 'ns' : ns))
    .replace(/(?<="time":")[^"]+/, (time) =>
      BigInt(Date.parse(time)) === BigInt(micros ?? 0) / 1000n ? 'time' : time,
    );
}

function firstDifference(a: string, b: string): string | null {
  if (a === b) return null;
  let at = 0;
  while (a[at] === b[at]) at++;
  const around = (text: string) => text.slice(Math.max(0, at - 40), at + 60);
  return `${around(a)} | ours ${around(b)}`;
}
