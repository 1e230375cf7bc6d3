/** A step that comes after everything it needs. */
export interface Node {
  readonly id: string;
  readonly rank: number;
  readonly needs: readonly string[];
}

/**
 * Nodes in an order in which each comes after all that it needs; among those that are possible, the lowest rank first,
 * then the given order. In a cycle, the lowest rank of the cycle goes first.
 */
export function inOrder<T extends Node>(nodes: readonly T[]): readonly T[] {
  const byId = new Map(nodes.map((node, at) => [node.id, { node, at, open: 0, waiting: [] as string[] }]));
  for (const { node } of byId.values()) {
    for (const need of new Set(node.needs)) {
      const before = byId.get(need);
      if (before === undefined || need === node.id) continue;
      before.waiting.push(node.id);
      byId.get(node.id)!.open++;
    }
  }
  const less = (a: string, b: string): boolean => {
    const [x, y] = [byId.get(a)!, byId.get(b)!];
    return x.node.rank === y.node.rank ? x.at < y.at : x.node.rank < y.node.rank;
  };
  const ready = new Heap(less);
  for (const [id, { open }] of byId) if (open === 0) ready.push(id);
  const done = new Set<string>();
  const order: T[] = [];
  // For cycles: the remaining nodes, by rank.
  const rest = [...byId.keys()].toSorted((a, b) => (less(a, b) ? -1 : 1));
  let left = 0;
  while (order.length < byId.size) {
    let id = ready.pop();
    while (id === undefined) {
      const next = rest[left++]!;
      if (!done.has(next)) id = next;
    }
    if (done.has(id)) continue;
    done.add(id);
    order.push(byId.get(id)!.node);
    for (const waiting of byId.get(id)!.waiting)
      if (--byId.get(waiting)!.open === 0 && !done.has(waiting)) ready.push(waiting);
  }
  return order;
}

class Heap {
  readonly #items: string[] = [];
  readonly #less: (a: string, b: string) => boolean;

  constructor(less: (a: string, b: string) => boolean) {
    this.#less = less;
  }

  push(item: string): void {
    const items = this.#items;
    items.push(item);
    for (let at = items.length - 1; at > 0; ) {
      const up = (at - 1) >> 1;
      if (!this.#less(items[at]!, items[up]!)) return;
      [items[at], items[up]] = [items[up]!, items[at]!];
      at = up;
    }
  }

  pop(): string | undefined {
    const items = this.#items;
    const top = items[0];
    const last = items.pop();
    if (top === undefined || items.length === 0) return top;
    items[0] = last!;
    for (let at = 0; ; ) {
      let least = at;
      for (const child of [2 * at + 1, 2 * at + 2])
        if (child < items.length && this.#less(items[child]!, items[least]!)) least = child;
      if (least === at) return top;
      [items[at], items[least]] = [items[least]!, items[at]!];
      at = least;
    }
  }
}
