-- Tables of the target's schema pgsluice, as version 0.1.0 made them.
CREATE SCHEMA pgsluice;
CREATE TABLE pgsluice.bulk (
  pipeline text, sink text, phase text NOT NULL, restored int NOT NULL DEFAULT 0, PRIMARY KEY (pipeline, sink));
CREATE TABLE pgsluice.bulk_object (
  pipeline text, sink text, ordinal int, type text NOT NULL, name text NOT NULL, sql text NOT NULL, late boolean NOT NULL,
  PRIMARY KEY (pipeline, sink, ordinal));
CREATE TABLE pgsluice.bulk_table (
  pipeline text, sink text, source text, relid oid NOT NULL, phase text NOT NULL, altered boolean NOT NULL DEFAULT false,
  exact_at pg_lsn, PRIMARY KEY (pipeline, sink, source));
CREATE TABLE pgsluice.definition (
  pipeline text, sink text, relid oid, kind text, name text, create_sql text, constraint_sql text, after_sql text[] NOT NULL,
  top boolean NOT NULL, partitioned boolean NOT NULL, index_name text, parent_index text, ref_relid oid,
  status text NOT NULL, PRIMARY KEY (pipeline, sink, relid, kind, name));
CREATE TABLE pgsluice.chunk (
  pipeline text, sink text, source text, chunk text, rows bigint, bytes bigint,
  PRIMARY KEY (pipeline, sink, source, chunk));
CREATE TABLE pgsluice.large_object (
  pipeline text, sink text, up_to oid NOT NULL, done boolean NOT NULL DEFAULT false, PRIMARY KEY (pipeline, sink));
CREATE TABLE pgsluice.position (
  pipeline text NOT NULL,
  sink text NOT NULL,
  lsn pg_catalog.pg_lsn,
  commit_time timestamptz,
  updated timestamptz NOT NULL DEFAULT pg_catalog.now(),
  PRIMARY KEY (pipeline, sink)
) WITH (fillfactor = 10);
CREATE TABLE pgsluice.checkpoint (
  pipeline text NOT NULL,
  key text NOT NULL,
  value jsonb NOT NULL,
  updated timestamptz NOT NULL DEFAULT pg_catalog.now(),
  PRIMARY KEY (pipeline, key)
) WITH (fillfactor = 50);
