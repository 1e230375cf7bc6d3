import pg from 'pg';

/** How many customers, products and orders there are to choose from at the start. */
export interface ShopSize {
  readonly customers: number;
  readonly products: number;
}

/**
 * Connections that keep writing in the shop as people would: orders placed, paid, changed, cancelled and deleted, visits,
 * price changes, customers that come and go.
 */
export class Writers implements AsyncDisposable {
  readonly #url: string;
  readonly #size: ShopSize;
  readonly #pauseMs: number;
  #running: Promise<void>[] = [];
  #stop = false;
  transactions = 0;

  constructor(url: string, size: ShopSize, pauseMs: number) {
    this.#url = url;
    this.#size = size;
    this.#pauseMs = pauseMs;
  }

  start(count: number): void {
    this.#stop = false;
    this.#running = Array.from({ length: count }, () => this.#write());
  }

  /** Resolves when no writer has a transaction open. Rejects with the error of a writer, if one failed. */
  async stop(): Promise<void> {
    this.#stop = true;
    await Promise.all(this.#running);
    this.#running = [];
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  async #write(): Promise<void> {
    const client = new pg.Client({ connectionString: this.#url, application_name: 'shop' });
    client.on('error', () => {});
    await client.connect();
    try {
      while (!this.#stop) {
        await client.query(`BEGIN; ${transaction(this.#size)}; COMMIT`);
        this.transactions++;
        if (this.#pauseMs > 0) await new Promise((resolve) => setTimeout(resolve, this.#pauseMs));
      }
    } finally {
      await client.end();
    }
  }
}

function transaction({ customers, products }: ShopSize): string {
  const dice = Math.random();
  const customer = 1 + Math.floor(Math.random() * customers);
  const product = 1 + Math.floor(Math.random() * products);
  const order = `(SELECT id FROM shop.orders WHERE customer_id = ${customer} ORDER BY id LIMIT 1)`;
  if (dice < 0.35) {
    return `WITH o AS (INSERT INTO shop.orders (customer_id, total, note) VALUES (${customer}, 12.34, 'new "order"; it''s ünïcode') RETURNING id)
      INSERT INTO shop.order_line (order_id, line, product_id, quantity, price) SELECT id, l, ${product}, l, 9.99 FROM o, generate_series(1, 3) l`;
  }
  if (dice < 0.55) return `UPDATE shop.orders SET state = 'paid', total = total + 1 WHERE id = ${order}`;
  if (dice < 0.65) return `DELETE FROM shop.orders WHERE id = ${order} AND state IN ('draft', 'cancelled')`;
  if (dice < 0.8) {
    return `INSERT INTO shop.visit (id, at, path, agent, millis)
      VALUES (nextval('shop.visit_id'), timestamptz '2026-01-01 00:00+00' + random() * 110 * interval '1 day', '/new', CASE WHEN random() < 0.3 THEN 'bot' ELSE 'browser' END, random() * 100)`;
  }
  if (dice < 0.9) {
    return `UPDATE shop.visit SET agent = CASE agent WHEN 'bot' THEN 'browser' ELSE 'bot' END, millis = millis + 1
      WHERE (id, at) = (SELECT id, at FROM shop.visit WHERE path = '/p/${product % 500}' LIMIT 1)`;
  }
  if (dice < 0.97) return `UPDATE shop.product SET price = price + 0.01, stock = stock - 1 WHERE id = ${product}`;
  return `INSERT INTO shop.customer (mail, name) VALUES ('new' || nextval('shop.visit_id') || '@example.org', 'New customer')`;
}
