insert into o_num values
 (:k+1, 99999999999999999999, 0.00000000000000000000000000000000000001, 0.00999, 9, 123456789012345678901234567890.123456789, 1.5, 9223372036854775807, -32768, 3.4028235e38, 1.7976931348623157e308, '92233720368547758.07', 4294967295, 1, 2, 3, '4294967295', '7'),
 (:k+2, -99999999999999999999, -0.5, -0.00001, -9, -0.000000001, -1e-400, -9223372036854775808, 32767, -1e-45, -5e-324, '-0.01', 0, 1, 2, 3, '0', '0'),
 (:k+3, 0, 0, 0, 0, 1e300, 1e400, 0, 0, 'NaN', 'Infinity', 0, 1, 1, 2, 3, null, null),
 (:k+4, 100, 0.10, 0.00100, 1, 100.00, 100, 1, 1, '-Infinity', 'NaN', 1000000, 2147483648, 1, 2, 3, null, null),
 (:k+5, null, null, null, null, 0.00, null, null, null, '-0', '-0', null, null, 1, 2, 3, null, null),
 (:k+6, 1, 1e-38, null, 0, 1e-7, 1e-7, 1, 1, 1e7, 1e7, 1.005, 1, 1, 2, 3, null, null),
 (:k+7, 1, 1e-38, null, 0, 12345678901234567890, 0, 1, 1, 9999999, 1e-3, 1.004, 1, 1, 2, 3, null, null),
 (:k+8, 1, null, null, 0, 1000, 0, 1, 1, 123456.79, 123456789012345680, 1, 1, 1, 2, 3, null, null);
insert into o_num_arr values
 (:k+1, '{1.50,0,NULL,-2e10,1e-10}', '{1.5,NULL,-0.001}', '{NaN,Infinity,-Infinity,-0,1e7,0.1}', '{NaN,Infinity,-Infinity,-0,1e7,0.1,NULL}', '{1.23,NULL}', '{4294967295,0}', '{-32768,NULL}', '{9223372036854775807,NULL}', '{t,f,NULL}'),
 (:k+2, '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}'), (:k+3, null, null, null, null, null, null, null, null, null), (:k+4, '{NULL}', '{NULL}', '{NULL}', '{NULL}', null, '{NULL}', '{NULL}', '{NULL}', '{NULL}');
insert into o_text values
 (:k+1, 'x', 'ab', 'ab   ', 'abc', E'tab\t nl\n cr\r q" bs\\ sl/ \u0001 \u001f \u007f \u00a0 \u2028 \u2029 \ufeff \ufffd <>&''', 'a', '{ "b" : 1,  "a":"\u00e9", "b":2 }', '{"b": 1.0, "a": [1, null, true, {"x": 1e3}]}', '<?xml version="1.0"?><a x="1"> t </a>', 'CiTeXt', 'fat:1A cat:2B,3 ''a b'':4', 'Top.Sub_1', '*.a.*', '16/B374D848', 'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11', 'nm'),
 (:k+2, 'ä', 'äöü', '', '', '', '', '"s"', '"s"', 'plain', '', '', '', null, '0/0', '00000000-0000-0000-0000-000000000000', ''),
 (:k+3, '', '', ' ', ' a ', '😀 e\u0301', '\', 'null', 'null', '<a/>', '😀', null, null, null, 'FFFFFFFF/FFFFFFFF', null, null),
 (:k+4, null, null, null, null, null, null, '1', '1', null, null, null, null, null, null, null, null);
insert into o_text_arr values
 (:k+1, '{ab,NULL,"a b"}', '{"ab  ",x}', '{a,"",NULL,"NULL"}', E'{"q\\"q","b\\\\s","c,d","{}",NULL,"NULL","",😀,"\n"}', '{a,b}', array['{"a": 1}'::json, null], array['{"a":1.0}'::jsonb, '[]'], '{Ab,NULL}', array['a b'::tsvector], '{a.b,c}', '{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11,NULL}', '{n1,n2}', array['<a/>'::xml], '{red,"dark blue","quo\"te","com,ma",""}', '{0/1}', '{"\\xdeadbeef",NULL,"\\x"}', array['a=>1'::hstore, null]),
 (:k+2, '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}'), (:k+3, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null);
insert into o_net values (:k+1, '::1', '2001:db8::/32', '08-00-2b-01-02-03', '08:00:2b:ff:fe:01:02:03', '{10.0.0.1/8,::ffff:1.2.3.4/96,NULL}', '{10.0.0.0/8,::/0}', '{08:00:2b:01:02:03,NULL}', '{08:00:2b:01:02:03:04:05}'), (:k+2, '10.1.2.3/16', '10', '000000000000', '08002b010203', '{}', '{}', '{}', '{}'), (:k+3, null, null, null, null, null, null, null, null);
insert into o_bit values
 (:k+1, B'1', B'101', B'1010101', B'100000001', B'1000000000000001', ('1' || repeat('0', 61) || '1')::bit(63), ('1' || repeat('0', 62) || '1')::bit(64), ('1' || repeat('0', 63) || '1')::bit(65), ('1' || repeat('10', 64) || '1')::bit(130), B'11111111111111', B'1', B'11', B'100000001', ('1' || repeat('0', 62) || '1')::varbit, '{101,1}', '{1,0}'),
 (:k+2, B'0', B'000', B'0000000', B'000000000', repeat('0', 16)::bit(16), repeat('0', 63)::bit(63), repeat('0', 64)::bit(64), repeat('0', 65)::bit(65), repeat('0', 130)::bit(130), B'', B'0', B'', B'0', B'0', '{}', '{}'),
 (:k+3, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null),
 (:k+4, B'1', B'011', B'0000001', B'000000011', B'0000000100000000', repeat('1', 63)::bit(63), repeat('1', 64)::bit(64), repeat('1', 65)::bit(65), repeat('1', 130)::bit(130), B'000000001', B'1', B'001', B'011111111', B'00000000', '{00000001,0}', '{1}');
insert into o_time values
 (:k+1, '2000-02-29', '23:59:59.999999', '23:59:59.94', '01:02:03.4567', '01:02:03.45678', '01:02:03.456789-03:30:15', '01:02:03.45+05:30', '23:59:59.999999+15:59', '2000-02-29 23:59:59.999999', '2026-01-02 03:04:05.67', '2026-01-02 03:04:05.678', '2026-01-02 03:04:05.678912', '2026-07-01 00:00:00.000001-11', '2026-07-01 00:00:00.126+05:45', '2026-07-01 00:00:00.123456+14', '-1 year 2 mons -3 days 04:05:06.000007'),
 (:k+2, '1900-01-01', '00:00:00.000001', '00:00', '00:00:00.0001', '00:00:00.00001', '00:00+00', '00:00-12', '12:34:56+01', '1900-01-01 00:00:00.000001', '1900-01-01', '1900-01-01 00:00:00.01', '1900-01-01 00:00:00.00001', '1900-01-01 00:00:00.5+00', '1969-12-31 23:59:59.99+00', '1969-12-31 23:59:59.99999+00', '00:00:00'),
 (:k+3, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null),
 (:k+4, '9999-12-31', '24:00', '24:00', '24:00', '24:00', '24:00-03', '24:00+05:30', '24:00+00', '9999-12-31 23:59:59', '2100-01-01', '2100-01-01', '2100-01-01', '10000-01-01 00:00+00', '9999-12-31 23:59:59.99+00', '12345-06-07 00:00+00', '-00:00:00.000001'),
 (:k+5, '1883-11-18', '12:00', '12:00', '12:00', '12:00', '12:00+00', '12:00+00', '12:00+00', '1883-11-18 12:03:57', '1883-11-18', '1600-02-29', '1583-01-01', '1883-11-18 12:03:57+00', '1600-02-29 00:00+00', '1583-01-01 00:00+00', '1 mon -1 days');
insert into o_time_arr values
 (:k+1, '{2000-02-29,NULL,1969-12-31}', '{01:02:03,NULL}', '{01:02:03.5+05:30,NULL}', '{"2000-02-29 23:59:59.999999",NULL,"1969-12-31 23:59:59.999999"}', '{"2000-02-29 23:59:59"}', '{"1969-12-31 23:59:59.999"}', '{"2000-02-29 23:59:59.999999+05:30",NULL}', '{"2000-02-29 23:59:59.999+00"}', '{"1 mon",NULL}'), (:k+2, '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}'), (:k+3, null, null, null, null, null, null, null, null, null);
insert into o_iv values
 (:k+1, '1 year -2 mons +3 days -04:05:06.789', '1.239 s', '25:59', '1-11', '3 04:05:06.7899'), (:k+2, '-1 year -2 mons -3 days -04:05:06.789', '-1.239 s', '-25:59', '-1-11', '-3 04:05:06.7899'), (:k+3, '0', '0', '0', '0', '0'),
 (:k+4, '-0.5 s', '00:00:00.005', '1 h', '100 mons', '1 day -1 h'), (:k+5, '12 mons', '400 days', '10000 h', '-1 mons', '-1 days +00:00:00.001'), (:k+6, null, null, null, null, null), (:k+7, '1 day 24:00:00', '59.999 s', '1 h', '0', '00:00:59.9999'), (:k+8, '11 mons 29 days 23:59:59.999999', '1000000 s', '1 h', '0', '-00:00:00.001'), (:k+9, '-1 mons', '-1 days', '-1 h', '-1 mons', '-1 days'), (:k+10, '1000 years', '1 min', '1 h', '1000 years', '99999 days');
insert into o_range values
 (:k+1, '[1,5]', '(,5)', '[1.50,2.25)', '[2026-01-01 00:00:00.5,)', '["2026-01-01 00:00+05:30","2026-01-02 00:00+00")', '[2026-01-01,2026-01-31]', '{[1,3),[5,7)}', '{(,1.0)}', '{["2026-01-01 00:00+02",)}', '{"[1,2)",NULL,empty}', '{"[2026-01-01 00:00+02,)"}', '{"[1,2)"}'),
 (:k+2, 'empty', 'empty', 'empty', 'empty', 'empty', 'empty', '{}', '{}', '{}', '{}', '{}', '{}'), (:k+3, null, null, null, null, null, null, null, null, null, null, null, null), (:k+4, '(,)', '(,)', '(,)', '(,)', '(,)', '(,)', '{(,)}', null, null, null, null, null);
insert into o_comp values (:k+1, '(1,"a,b ""q""")', row(row(1, 'x')::pair, array[1,2]), array[row(1,'a')::pair, null], 'quo"te', '{"quo\"te",NULL,""}'), (:k+2, '(,)', null, '{}', '', '{}'), (:k+3, null, null, null, null, null);
insert into o_dom values
 (:k+1, 1.50, 1.50, 2.25, '{1,NULL}', '{red,""}', 'dark blue', '(1,a)', '2026-01-02 03:04:05.678', '2026-01-02 03:04:05.678901+02', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', B'10101', '{"a": 1}', 'ab', '\xdead', 'a=>1', 8, '2026-01-02', '1 day', 1.23, '[1,2)'),
 (:k+2, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null);
insert into o_dom_arr values (:k+1, '{1.5,NULL}', '{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}', '{2026-01-02}'), (:k+2, null, null, null);
insert into o_hstore values (:k+1, 'a=>NULL, "b c"=>"d\"e", "ü"=>"", "z"=>"NULL", 1=>2', ''), (:k+2, '', 'a=>NULL'), (:k+3, null, '"A"=>"1", "b"=>"2", "long key with many words"=>"x", "k1"=>"1", "k2"=>"2", "k3"=>"3", "k4"=>"4", "k5"=>"5", "k6"=>"6", "k7"=>"7", "k8"=>"8", "k9"=>"9", "k10"=>"10", "ä"=>"11", "😀"=>"12"');
insert into o_geo values (:k+1, '(1.5,-2)', '{1,2,3}', '[(1,2),(3,4)]', '(1,2),(3,4)', '[(1,2),(3,4),(5,6)]', '((1,2),(3,4),(5,6))', '<(1,2),3>', '{"(1,2)",NULL}', '{(3,4),(1,2);(5,6),(1,2)}'), (:k+2, '(NaN,Infinity)', '{0,1,-1.5}', '[(0,0),(0,0)]', '(0,0),(0,0)', '((1e-10,2e20))', '((0.1,0.2))', '<(0,0),0>', '{}', '{}'), (:k+3, null, null, null, null, null, null, null, null, null), (:k+4, '(1e300,-1e-300)', '{-1,0,0}', '[(-1,-2),(1e7,1e-7)]', '(-1,-2),(-3,-4)', '((1,2),(3,4))', '((0,0),(0,1),(1,1),(1,0))', '<(-1.25,1e10),0.5>', null, null);
insert into o_sys values (:k+1, 'now', 'pg_monitor', 'pg_catalog', '10:20:10,14', '10:20:10,14', 'pg_monitor=r/pg_monitor', '''a'' & ''b''', '$.a[*] ? (@ > 1)', '(1,2)', '5000000000', null, '{pg_class}'), (:k+2, null, null, null, null, null, null, '', null, null, null, null, null);
insert into o_bounds values (:k+1, '[0:2]={1,2,3}', '[-5:-4]={a,b}', '[3:3]={1.50}', '[0:0]={2026-01-02}', '[2:2]={a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}'), (:k+2, '{1}', '{b}', '{}', null, null);
insert into k_num values (:k+1.50, 'a'), (:k+0.001, 'b'), (:k+200, 'c');
insert into k_enum values ('red', date '2026-01-02' + :k, 'a'), ('', date '1969-12-31' - :k, 'b');
insert into k_time values ('01:02:03.456789', '01:02:03+02', timestamp '2026-01-02 03:04:05.678' + :k * interval '1 s', '1 day', 'a'), ('24:00', '24:00+00', timestamp '1960-01-02 03:04:05.678' - :k * interval '1 s', '-1 mons', 'b');
insert into k_words values ('ab', 'Ci' || :k, 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '10.0.0.1', 'a'), ('', '' || :k, '00000000-0000-0000-0000-000000000000', '::1/64', 'b');
insert into k_bits values (B'101', B'11', decode(to_hex(:k + 4096), 'hex'), 4294967295, 'a'), (B'000', B'', decode(to_hex(:k + 4096), 'hex'), 0, 'b');
insert into k_arr values (array[1, null, :k], 'NaN', 1.5, 'a'), ('{}', :k + 0.5, -0.01, 'b');
insert into k_order values (:k+1, 'v', 2, 3), (:k+4, null, 5, 6);
insert into ri_full_nokey values ('a' || :k, 1.5, '{"a": 1}'), (null, :k * 0.1, null);
insert into ri_full_big select :k+i, repeat(md5(i::text), 200), jsonb_build_object('k', repeat(md5(i::text), 200)), hstore('a', repeat('b', 3000)), 1.50 from generate_series(1, 2) i;
select put_toast(:k+1); select put_toast(:k+2);
insert into defs (id) values (:k+1), (:k+2);
insert into gens (id, a, s) values (:k+1, 1, 'a'), (:k+2, null, null);
insert into "sp ace.dot" values (:k+1, 1, 2, 3, 4, 5, '本', 'M', 'u', 'b', 'c', 's', 'k', 'sel', 'x', 'q'), (:k+2, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null);
insert into "Ünïcode" values ('ä' || :k, 1.5), ('😀"' || :k, -2); insert into "sch-ema.x"."t$1" values (:k+1, 'v');
insert into only_key values (:k+1), (:k+2); insert into all_null (id) values (:k+1), (:k+2); insert into wide (id, c1, c2, c3, c4, c120) values (:k+1, 'one', 1.5, '2026-01-02 03:04:05+00', true, 5), (:k+2, null, null, null, null, null);
insert into gone_cols values (:k+1, 'b', 'd'); insert into parted values (:k+1, 1, 'a'), (:k+2, 2, 'b'); insert into parent_t values (:k+1, 'p'); insert into child_t values (:k+2, 'c', 5); insert into fk_a values (:k+1), (:k+2); insert into fk_b values (:k+1, :k+1);
insert into ddl_a values (:k+1, 'a', 1); insert into ddl_b values (:k+1, 1.5, 'red'); insert into ddl_c values (:k+1, 'a', 'b'); insert into ddl_d values (:k+1); insert into tr_a values (:k+1), (:k+2); insert into tr_b values (:k+1, :k+1);
