create extension postgis;
create type shade as enum ('light', 'dark');
create table gis (id int primary key, g geometry, gp geometry(Point,4326), gg geography, gn geometry not null, ga geometry[], gga geography[]);
create table gis_full (id int primary key, g geometry, gn geography not null);
alter table gis_full replica identity full;
create table gis_big (id int primary key, small int, g geometry, gg geography, ga geometry[]);
alter table gis_big alter g set storage external, alter gg set storage external, alter ga set storage external;
create table dims (id int primary key, i2 int2[], i4 int4[], i8 int8[], t text[], vc varchar(5)[], c char(3)[], b bool[], f4 float4[], f8 float8[],
  n numeric[], n102 numeric(10,2)[], d date[], ts timestamp[], tstz timestamptz[], u uuid[], j jsonb[], ine inet[], en shade[], o oid[]);
create table modes (id int primary key, n numeric, n102 numeric(10,2), na numeric(10,2)[], m money, d date, t time, t3 time(3), tz timetz, ts timestamp, ts3 timestamp(3), tstz timestamptz,
  da date[], tsa timestamp[], iv interval, by bytea, bya bytea[]);
create table ended (id int primary key);
