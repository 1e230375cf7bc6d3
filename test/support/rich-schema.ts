/**
 * A schema with every kind of object that pg_dump knows and a plain server can make, for one major version. Superuser;
 * needs the roles of {@link richRoles} on the server, on the one it is restored to as well.
 */
export const richSchema = (major: number): string =>
  [types, tables, partitions, constraints, indexes, code, access, foreign, newer(major)].join('\n');

/** Tables of {@link richSchema} that cannot be published as they are: no usable replica identity, or unlogged. */
export const richUnpublishable: readonly string[] = [
  'app.audit',
  'app.bare',
  'app.deferred_key',
  'app.no_columns',
  'app.scratch',
];

/** Roles are the server's, not the database's; safe to run at the same time in several sessions. */
export const richRoles = `
DO $$ DECLARE name text; BEGIN
  FOREACH name IN ARRAY ARRAY['rich_owner', 'rich_reader', 'Rich "Quoted"'] LOOP
    BEGIN EXECUTE format('CREATE ROLE %I', name);
    EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END;
  END LOOP;
END $$;`;

const types = `
CREATE SCHEMA app AUTHORIZATION rich_owner;
CREATE SCHEMA "We""ird; DROP TABLE x";
COMMENT ON SCHEMA app IS 'the shop; with '' and \\ in it';
CREATE EXTENSION hstore WITH SCHEMA app;
CREATE EXTENSION btree_gist WITH SCHEMA public;
CREATE EXTENSION pg_trgm WITH SCHEMA public;
COMMENT ON EXTENSION hstore IS 'pairs';
CREATE TYPE app.mood AS ENUM ('sad', 'ok', 'it''s "fine"');
CREATE DOMAIN app.email AS text COLLATE "C" CONSTRAINT has_at CHECK (VALUE ~ '@') ;
CREATE DOMAIN app.positive AS numeric(12,2) DEFAULT 1 NOT NULL CHECK (VALUE > 0);
CREATE TYPE app.address AS (street text, zip varchar(10), geo point);
COMMENT ON COLUMN app.address.zip IS 'postal';
CREATE TYPE app.float_range AS RANGE (subtype = float8, subtype_diff = float8mi);
CREATE COLLATION app.german (provider = icu, locale = 'de-u-co-phonebk');
CREATE COLLATION app.nocase (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE TEXT SEARCH DICTIONARY app.plain (TEMPLATE = simple, stopwords = english);
CREATE TEXT SEARCH CONFIGURATION app.search (COPY = pg_catalog.english);
ALTER TEXT SEARCH CONFIGURATION app.search ALTER MAPPING FOR asciiword WITH app.plain;
CREATE CONVERSION app.conv FOR 'UTF8' TO 'LATIN1' FROM utf8_to_iso8859_1;
CREATE ACCESS METHOD heap_too TYPE TABLE HANDLER heap_tableam_handler;`;

const tables = `
CREATE SEQUENCE app.ticket AS integer START 1000 INCREMENT 5 MAXVALUE 100000 CYCLE;
SELECT setval('app.ticket', 1005);
CREATE TABLE app.customer (
  id bigint GENERATED ALWAYS AS IDENTITY (START 10 INCREMENT 2) PRIMARY KEY,
  mail app.email UNIQUE,
  name text NOT NULL COLLATE app.german DEFAULT 'nobody',
  mood app.mood DEFAULT 'ok',
  home app.address,
  tags text[] DEFAULT '{}',
  moods app.mood[],
  attributes app.hstore,
  span app.float_range,
  balance app.positive,
  upper_name text GENERATED ALWAYS AS (upper(name)) STORED,
  created timestamptz DEFAULT now());
ALTER TABLE app.customer ALTER COLUMN name SET STATISTICS 500, ALTER COLUMN tags SET STORAGE EXTERNAL,
  ALTER COLUMN name SET (n_distinct = -0.5);
ALTER TABLE app.customer ADD COLUMN gone int; ALTER TABLE app.customer DROP COLUMN gone;
COMMENT ON TABLE app.customer IS 'who buys'; COMMENT ON COLUMN app.customer.mail IS 'unique';
CREATE TABLE app.orders (
  id serial PRIMARY KEY, customer bigint NOT NULL, number int DEFAULT nextval('app.ticket'),
  placed date NOT NULL DEFAULT '2024-01-01', total numeric(14,4), doc jsonb, raw bytea, net inet, key uuid,
  CONSTRAINT total_not_negative CHECK (total >= 0)) WITH (fillfactor = 80, autovacuum_enabled = false);
CREATE TABLE app.audit (at timestamptz, what xml, who name);
CREATE TABLE app.bare (a int, b text);
CREATE TABLE app.no_columns ();
CREATE UNLOGGED TABLE app.scratch (id int PRIMARY KEY);
CREATE TABLE app.parent (id int PRIMARY KEY, note text);
CREATE TABLE app.child (extra int, CONSTRAINT child_pkey PRIMARY KEY (id)) INHERITS (app.parent);
CREATE TABLE app.typed OF app.address (PRIMARY KEY (zip));
CREATE TABLE app.deferred_key (id int PRIMARY KEY DEFERRABLE INITIALLY DEFERRED);
CREATE TABLE app.full_identity (a int, b text); ALTER TABLE app.full_identity REPLICA IDENTITY FULL;
CREATE TABLE app.index_identity (a int NOT NULL, b text);
CREATE UNIQUE INDEX index_identity_a ON app.index_identity (a);
ALTER TABLE app.index_identity REPLICA IDENTITY USING INDEX index_identity_a;
CREATE TABLE app.other_method (id int PRIMARY KEY) USING heap_too;
CREATE TABLE "We""ird; DROP TABLE x"."Ta""ble; x" ("Co""l" int PRIMARY KEY, "sel ect" text DEFAULT 'a''b\\c');`;

const partitions = `
CREATE TABLE app.event (id bigint, at date NOT NULL, kind text, CONSTRAINT event_pkey PRIMARY KEY (id, at, kind)) PARTITION BY RANGE (at);
CREATE TABLE app.event_2023 PARTITION OF app.event FOR VALUES FROM ('2023-01-01') TO ('2024-01-01');
CREATE TABLE app.event_2024 PARTITION OF app.event FOR VALUES FROM ('2024-01-01') TO ('2025-01-01') PARTITION BY LIST (kind);
CREATE TABLE app.event_2024_a PARTITION OF app.event_2024 FOR VALUES IN ('a', 'b');
CREATE TABLE app.event_2024_rest PARTITION OF app.event_2024 DEFAULT;
CREATE INDEX event_kind ON app.event (kind);
CREATE TABLE app.hashed (id int PRIMARY KEY) PARTITION BY HASH (id);
CREATE TABLE app.hashed_0 PARTITION OF app.hashed FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE app.hashed_1 PARTITION OF app.hashed FOR VALUES WITH (MODULUS 2, REMAINDER 1);`;

const constraints = `
ALTER TABLE app.orders ADD CONSTRAINT orders_customer FOREIGN KEY (customer) REFERENCES app.customer ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE app.orders ADD CONSTRAINT orders_number CHECK (number > 0) NOT VALID;
ALTER TABLE app.bare ADD CONSTRAINT bare_parent FOREIGN KEY (a) REFERENCES app.parent NOT VALID;
ALTER TABLE app.parent ADD CONSTRAINT own_only CHECK (id > 0) NO INHERIT;
CREATE TABLE app.booking (room int, during tstzrange, id int UNIQUE, PRIMARY KEY (room, during),
  CONSTRAINT no_overlap EXCLUDE USING gist (room WITH =, during WITH &&) WHERE (room > 0));
CREATE TABLE app.tree (id int PRIMARY KEY, up int REFERENCES app.tree);
COMMENT ON CONSTRAINT orders_customer ON app.orders IS 'who ordered';`;

const indexes = `
CREATE INDEX orders_placed ON app.orders (placed DESC NULLS LAST) INCLUDE (total) WHERE total > 10;
CREATE INDEX orders_lower ON app.orders (lower(doc ->> 'name'), (total * 2));
CREATE INDEX orders_doc ON app.orders USING gin (doc jsonb_path_ops);
CREATE INDEX orders_brin ON app.orders USING brin (placed) WITH (pages_per_range = 16);
CREATE INDEX orders_hash ON app.orders USING hash (key);
CREATE INDEX orders_net ON app.orders USING spgist (net);
CREATE INDEX customer_name_trgm ON app.customer USING gin (name public.gin_trgm_ops);
CREATE INDEX customer_name ON app.customer (name COLLATE "C" text_pattern_ops);
ALTER TABLE app.customer CLUSTER ON customer_pkey;
ALTER INDEX app.orders_lower ALTER COLUMN 1 SET STATISTICS 300;
COMMENT ON INDEX app.orders_placed IS 'recent';
CREATE STATISTICS app.orders_stats (ndistinct, dependencies) ON customer, placed FROM app.orders;
CREATE STATISTICS app.orders_expr ON (lower(doc ->> 'name')), total FROM app.orders;`;

const code = `
CREATE FUNCTION app.touch() RETURNS trigger LANGUAGE plpgsql AS $fn$ BEGIN NEW.total := coalesce(NEW.total, 0); RETURN NEW; END $fn$;
CREATE FUNCTION app.note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
CREATE FUNCTION app.add(a int, b int DEFAULT 1, VARIADIC more int[] DEFAULT '{}') RETURNS int LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS 'SELECT a + b';
CREATE FUNCTION app.atomic(x int) RETURNS TABLE (y int, z text) LANGUAGE sql BEGIN ATOMIC SELECT x AS y, 'it''s'::text AS z; END;
CREATE FUNCTION app.later() RETURNS SETOF app.customer LANGUAGE plpgsql SECURITY DEFINER SET search_path = app AS $$ BEGIN RETURN QUERY SELECT * FROM customer; END $$;
CREATE PROCEDURE app.tidy(INOUT n int) LANGUAGE plpgsql AS $$ BEGIN n := n + 1; END $$;
CREATE AGGREGATE app.total (int) (SFUNC = int4pl, STYPE = int, INITCOND = '0');
CREATE FUNCTION app.near(text, text) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT lower($1) = lower($2)';
CREATE OPERATOR app.=~= (LEFTARG = text, RIGHTARG = text, FUNCTION = app.near, COMMUTATOR = OPERATOR(app.=~=));
CREATE FUNCTION app.compare(app.address, app.address) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT btrecordcmp($1, $2)';
CREATE OPERATOR FAMILY app.family USING btree;
CREATE OPERATOR CLASS app.by_number FOR TYPE int4 USING btree FAMILY app.family AS OPERATOR 1 <, OPERATOR 2 <=, OPERATOR 3 =, OPERATOR 4 >=, OPERATOR 5 >, FUNCTION 1 btint4cmp(int4, int4);
CREATE FUNCTION app.as_text(app.mood) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 1';
CREATE CAST (app.mood AS int) WITH FUNCTION app.as_text(app.mood) AS ASSIGNMENT;
CREATE TRIGGER orders_touch BEFORE INSERT OR UPDATE OF total ON app.orders FOR EACH ROW WHEN (NEW.total IS NULL) EXECUTE FUNCTION app.touch();
CREATE CONSTRAINT TRIGGER orders_note AFTER INSERT ON app.orders DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION app.note();
CREATE TRIGGER orders_statement AFTER DELETE ON app.orders REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION app.note();
CREATE TRIGGER event_note AFTER INSERT ON app.event FOR EACH ROW EXECUTE FUNCTION app.note();
ALTER TABLE app.orders DISABLE TRIGGER orders_statement; ALTER TABLE app.orders ENABLE ALWAYS TRIGGER orders_touch;
COMMENT ON TRIGGER orders_touch ON app.orders IS 'keeps total';
CREATE RULE keep AS ON DELETE TO app.parent WHERE OLD.id = 1 DO INSTEAD NOTHING;
CREATE VIEW app.rich AS SELECT id, name FROM app.customer WHERE balance > 100 WITH LOCAL CHECK OPTION;
CREATE RECURSIVE VIEW app.numbers (n) AS VALUES (1) UNION ALL SELECT n + 1 FROM numbers WHERE n < 10;
CREATE VIEW app.over_rich WITH (security_barrier) AS SELECT r.*, app.add(1, 2) AS three FROM app.rich r;
CREATE MATERIALIZED VIEW app.sums AS SELECT customer, sum(total) AS total FROM app.orders GROUP BY customer;
CREATE UNIQUE INDEX sums_customer ON app.sums (customer);
CREATE MATERIALIZED VIEW app.of_sums AS SELECT count(*) AS n FROM app.sums WITH NO DATA;
COMMENT ON VIEW app.rich IS 'rich ones'; COMMENT ON FUNCTION app.add(int, int, int[]) IS 'adds';
CREATE FUNCTION app.on_ddl() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN END $$;
CREATE EVENT TRIGGER rich_ddl ON ddl_command_end WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION app.on_ddl();`;

const access = `
ALTER TABLE app.orders OWNER TO rich_owner; ALTER FUNCTION app.touch() OWNER TO rich_owner;
ALTER TABLE app.orders ENABLE ROW LEVEL SECURITY;
CREATE POLICY mine ON app.orders AS RESTRICTIVE FOR SELECT TO rich_reader USING (customer > 0);
CREATE POLICY write ON app.orders FOR INSERT WITH CHECK (total < 1000000);
GRANT USAGE ON SCHEMA app TO rich_reader; GRANT SELECT, INSERT ON app.orders TO rich_reader WITH GRANT OPTION;
GRANT UPDATE (mail, name) ON app.customer TO rich_reader, "Rich ""Quoted""";
GRANT USAGE ON SEQUENCE app.ticket TO rich_reader; GRANT USAGE ON TYPE app.mood TO rich_reader;
REVOKE EXECUTE ON FUNCTION app.touch() FROM PUBLIC; GRANT EXECUTE ON FUNCTION app.touch() TO rich_reader;
ALTER DEFAULT PRIVILEGES IN SCHEMA app GRANT SELECT ON TABLES TO rich_reader;
ALTER DEFAULT PRIVILEGES FOR ROLE rich_owner REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;`;

const foreign = `
CREATE EXTENSION postgres_fdw WITH SCHEMA public;
CREATE FOREIGN DATA WRAPPER own_fdw OPTIONS (debug 'true');
CREATE SERVER far FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host 'nowhere.invalid', dbname 'x');
CREATE USER MAPPING FOR rich_reader SERVER far OPTIONS (user 'u', password 'fdw-secret');
CREATE FOREIGN TABLE app.remote (id int OPTIONS (column_name 'ID'), t text) SERVER far OPTIONS (table_name 'T');
GRANT USAGE ON FOREIGN SERVER far TO rich_reader;
CREATE PUBLICATION users_own FOR TABLE app.customer, app.parent WITH (publish = 'insert, update');
COMMENT ON PUBLICATION users_own IS 'not ours';`;

function newer(major: number): string {
  const fifteen = `
CREATE TABLE app.no_two_nulls (a int, CONSTRAINT no_two_nulls_a UNIQUE NULLS NOT DISTINCT (a));
ALTER TABLE app.no_two_nulls REPLICA IDENTITY FULL;
CREATE VIEW app.invoker WITH (security_invoker = true) AS SELECT id FROM app.customer;
CREATE PUBLICATION users_filtered FOR TABLE app.orders (id, customer, total) WHERE (id > 0) WITH (publish = 'insert');
CREATE PUBLICATION users_schema FOR TABLES IN SCHEMA "We""ird; DROP TABLE x";`;
  const eighteen = `
CREATE TABLE app.virtual_column (id int PRIMARY KEY, twice int GENERATED ALWAYS AS (id * 2) VIRTUAL, note text CONSTRAINT note_there NOT NULL);
CREATE TABLE app.temporal (id int, valid daterange, PRIMARY KEY (id, valid WITHOUT OVERLAPS));
ALTER TABLE app.tree ADD CONSTRAINT not_enforced CHECK (id < 1000) NOT ENFORCED;`;
  return `${major >= 15 ? fifteen : ''}\n${major >= 18 ? eighteen : ''}`;
}

/**
 * On top of it: what prints otherwise once its text was read again. Casts of arrays go to their elements, fields of EXTRACT to small
 * letters.
 */
export const printedOtherwise = `
CREATE DOMAIN app.size AS varchar(2) CHECK (VALUE IN ('s', 'm', 'l'));
CREATE TABLE app.shirt (id int PRIMARY KEY, size varchar(2) CHECK (size IN ('s', 'm')), fit char(1) CHECK (fit = 'x' OR size NOT IN ('l', 'xl')),
  tags varchar(4)[] DEFAULT ARRAY['a', 'b'], grid varchar[] DEFAULT ARRAY[ARRAY['a'], ARRAY['b,)']], cut int GENERATED ALWAYS AS (extract('DAY' FROM DATE '2020-01-09')) STORED);
CREATE INDEX shirt_small ON app.shirt (id) WHERE size IN ('s', 'm');
CREATE VIEW app.small AS SELECT id, extract('EPOCH' FROM now()) AS "At", array[size, 'x']::text[] AS both FROM app.shirt WHERE size IN ('s', 'm');`;
