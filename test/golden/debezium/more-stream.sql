update gis set g = gn where id = 1;
update gis set id = 9 where id = 2;
delete from gis where id = 3;
update gis_full set gn = '0101000020E6100000000000000000F03F0000000000000040' where id = 2; delete from gis_full where id = 2;
update gis_big set small = 2 where id = 1; update gis_big set id = 3 where id = 1; delete from gis_big where id = 2;
delete from dims where id = 1;
update modes set iv = null where id = 1; delete from modes where id = 1;
