-- Takes a hold on a namespace, or renews it: no write into the namespace begins while the key is there.
--   KEYS  the hold
--   ARGV  whose it is, and for how many ms
-- Returns 1; 0, having changed nothing, where it is somebody else's.

local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
