-- Marks a namespace as one that is being dropped: from then on it cannot become the live one.
--   KEYS  the key of the live namespace, the namespace's job hash
--   ARGV  the namespace, what is live where no key says it, '1' to mark it also where it is live, and the time in ms
-- Returns 1; 0, having changed nothing, where it is the live one.

local live = redis.call('GET', KEYS[1]) or ARGV[2]
if live == ARGV[1] and ARGV[3] ~= '1' then return 0 end
redis.call('HSET', KEYS[2], 'dropping', ARGV[4])
return 1
