create table far (id int primary key, d date, ts timestamp, ts3 timestamp(3), tstz timestamptz, iv interval, t time, m money, n numeric, n180 numeric(18,0));
create table far_arr (id int primary key, d date[], ts timestamp[], tstz timestamptz[]);
create table ended (id int primary key);
