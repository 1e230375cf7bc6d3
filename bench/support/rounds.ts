/** One measured run: figures by name. */
export type Sample = Readonly<Record<string, number | null>>;

export interface Contender {
  readonly name: string;
  /** What it does, in words, for the report. */
  readonly what: string;
  readonly run: () => Promise<Sample>;
}

/**
 * Every contender once per round, in an order that turns from round to round, so that none always follows the same one
 * and slow drift of the machine meets all alike.
 */
export async function inTurn(
  contenders: readonly Contender[],
  rounds: number,
  told: (name: string, round: number, sample: Sample) => void,
): Promise<ReadonlyMap<string, readonly Sample[]>> {
  const samples = new Map<string, Sample[]>(contenders.map(({ name }) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    for (let i = 0; i < contenders.length; i++) {
      const contender = contenders[(i + round) % contenders.length]!;
      const sample = await contender.run();
      samples.get(contender.name)!.push(sample);
      told(contender.name, round, sample);
    }
  }
  return samples;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** Values of one figure, those that were measured. */
export function column(samples: readonly Sample[], name: string): number[] {
  return samples.flatMap((sample) => {
    const value = sample[name];
    return value === null || value === undefined ? [] : [value];
  });
}
