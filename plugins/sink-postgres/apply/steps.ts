/** Work that can rest between two pieces; whoever drives it decides when it goes on. */
export type Steps = Generator<void, void, void>;

export function finish(steps: Steps): void {
  while (steps.next().done !== true);
}
