-- What source and target of configs/scale-out/docker-compose.yml have.
CREATE TABLE customer (id bigint PRIMARY KEY, mail text NOT NULL, since date NOT NULL);
CREATE TABLE orders (id bigint PRIMARY KEY, customer bigint NOT NULL, total numeric(12, 2) NOT NULL, placed_at timestamptz NOT NULL);
CREATE TABLE visit (at timestamptz NOT NULL, page text NOT NULL);
ALTER TABLE visit REPLICA IDENTITY FULL;
