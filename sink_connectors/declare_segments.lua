-- Makes some segments the declared ones, and deletes the lists of members of those that are no more.
--   KEYS  the hash of declared segments, the job hash
--   ARGV  what the keys of lists begin with, then name and definition of each segment
-- Returns how often the set of names has changed: a list that was deleted, and is declared again, has to be filled anew.
-- The keys of the lists follow from the two hashes: a shard is a field of the job hash that is a number.

local EPOCH = ':epoch' -- beside the names, of which none has a colon
local segments, job, prefix = KEYS[1], KEYS[2], ARGV[1]

local kept = {[EPOCH] = true}
local changed = false
for i = 2, #ARGV, 2 do kept[ARGV[i]] = true end
for _, name in ipairs(redis.call('HKEYS', segments)) do
  if not kept[name] then
    for _, shard in ipairs(redis.call('HKEYS', job)) do
      if tonumber(shard) then redis.call('UNLINK', prefix .. name .. ':' .. shard) end
    end
    redis.call('HDEL', segments, name)
    changed = true
  end
end
for i = 2, #ARGV, 2 do
  if redis.call('HSET', segments, ARGV[i], ARGV[i + 1]) == 1 then changed = true end
end
if changed then return redis.call('HINCRBY', segments, EPOCH, 1) end
return tonumber(redis.call('HGET', segments, EPOCH) or 0)
