#!lua flags=no-writes
-- generation: which one a user's sessions must be of; 0 if they were never revoked all at once.
--
-- KEYS  1 user's index, which names the user in the reply   2 barrier of the slot
-- ARGV  1 user
-- REPLY {key, generation}
-- include: session

return {KEYS[1], generation(KEYS[2], ARGV[1])}
