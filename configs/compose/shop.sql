-- What docker-compose.yml puts into its source.
CREATE TABLE customer (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  mail text NOT NULL UNIQUE,
  since date NOT NULL
);
CREATE TABLE orders (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  customer bigint NOT NULL REFERENCES customer,
  total numeric(12, 2) NOT NULL CHECK (total >= 0),
  state text NOT NULL DEFAULT 'placed',
  placed_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX orders_customer ON orders (customer);
INSERT INTO customer (mail, since)
  SELECT 'customer' || n || '@example.org', date '2020-01-01' + n % 2000 FROM generate_series(1, 10000) n;
INSERT INTO orders (customer, total, placed_at)
  SELECT 1 + n % 10000, n % 900 + 0.99, timestamptz '2025-01-01 UTC' + n * interval '1 minute' FROM generate_series(1, 100000) n;
