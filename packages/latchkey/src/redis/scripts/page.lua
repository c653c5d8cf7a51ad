#!lua flags=no-writes
-- page: a part of an index.
--
-- KEYS  1 index
-- ARGV  1 first rank   2 last rank, -1 for the last of all
-- REPLY {key, {sid, …}}, the one that ends first coming first

return {KEYS[1], redis.call('ZRANGE', KEYS[1], ARGV[1], ARGV[2])}
