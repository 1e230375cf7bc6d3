delete from far where id = 1;
