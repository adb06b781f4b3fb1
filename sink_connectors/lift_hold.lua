-- Ends a hold on a namespace, unless it is somebody else's.
--   KEYS  the hold
--   ARGV  whose it is

if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
