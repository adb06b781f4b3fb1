-- Makes a namespace the live one instead of one that is held, as switch_live.lua does, and holds that for a moment more.
--   KEYS  the key of the live namespace, that of the one before, the job hash of the new one, and the hold of the old one
--   ARGV  the new namespace, the old one, what is live where no key says it, whose the hold must be, and for how many ms
--         it stays: until every server has seen the switch, the old namespace must not get ahead of what they read
-- Returns nothing; or, having changed nothing, why: 'dropping', 'moved' (another one is live) or 'lapsed' (the hold).

local live_key, previous_key, job, hold = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local new, old, default, holder, hold_ms = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]

if redis.call('HEXISTS', job, 'dropping') == 1 then return 'dropping' end
if (redis.call('GET', live_key) or default) ~= old then return 'moved' end
if redis.call('GET', hold) ~= holder then return 'lapsed' end
redis.call('SET', previous_key, old)
redis.call('SET', live_key, new)
redis.call('PEXPIRE', hold, hold_ms)
return ''
