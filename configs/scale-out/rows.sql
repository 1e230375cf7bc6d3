-- Rows of the source.
INSERT INTO customer SELECT n, 'customer' || n || '@example.org', date '2020-01-01' + n % 2000 FROM generate_series(1, 10000) n;
INSERT INTO orders
  SELECT n, 1 + n % 10000, n % 900 + 0.99, timestamptz '2025-01-01 UTC' + n * interval '1 minute' FROM generate_series(1, 100000) n;
INSERT INTO visit SELECT timestamptz '2025-01-01 UTC' + n * interval '1 second', '/shop/' || n % 100 FROM generate_series(1, 50000) n;
