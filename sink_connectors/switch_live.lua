-- Makes a namespace the live one, and remembers which was live before.
--   KEYS  the key of the live namespace, that of the one before, then the job hash and the totals of the new one
--   ARGV  the namespace, what is live where no key says it, and what must be live now, or ''
-- Returns nothing; or, having changed nothing, why: 'dropping', 'gone' (nothing is recorded of it) or 'moved'. The last
-- two are for a way back, which says what must be live. Said again after it was done, it changes nothing.

local live_key, previous_key, job, progress = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local namespace, default, expected = ARGV[1], ARGV[2], ARGV[3]

if redis.call('HEXISTS', job, 'dropping') == 1 then return 'dropping' end
local live = redis.call('GET', live_key) or default
if live == namespace then
  redis.call('SET', live_key, namespace)
  return ''
end
if expected ~= '' then
  if live ~= expected then return 'moved' end
  if redis.call('EXISTS', job, progress) == 0 then return 'gone' end
end
redis.call('SET', previous_key, live)
redis.call('SET', live_key, namespace)
return ''
