-- Sets each user's value if its version is newer than the stored one, with it the user's place in the lists of segments'
-- members, then the progress of the shard they came from.
--   KEYS  a key a user, then the hashes of totals and of offsets if there is progress, then the shard's list of each
--         declared segment, then the namespace's hold, unless this goes on with a write that has begun
--   ARGV  time to live in ms, shard or '', totals or '', offsets or '', unknown types or '' (as before), number of
--         segments, which of them to sweep (0: none), its cursor, how many members, then a value a user in the order of
--         the keys, then, where there are segments, a row a user (segment_lists.py)
-- Returns how many values were set, how many were refused because a job of a later generation wrote the stored one, and
-- where a sweep goes on, if there was one. Returns -1 first, having done nothing, while a promotion holds the namespace.
--
-- A version is the first 16 bytes of a value, compared as four unsigned 32-bit numbers: a Lua number is exact only
-- below 2^53, and `<` on strings follows the server's locale. Where they are equal, the age behind them decides: the
-- field age_s of UserScores, which is the first one where it is not 0. A value with an age keeps the time to live that
-- its key has: silence does not prolong it. (score_value.py, is_newer, says the same.)

local VERSION_BYTES, HEAD_LAST, FIRST_VALUE = 16, 21, 10
local HELD = -1
local AGE_TAG = string.char(149, 1)
local DIGEST_BYTES, TIMES_FIRST, TIME_BYTES = 8, 9, 8

-- The age in seconds of a value, of which its first 22 bytes are enough; 0: as of the newest event.
local function age_of(value)
  if #value <= HEAD_LAST or string.sub(value, VERSION_BYTES + 1, VERSION_BYTES + 2) ~= AGE_TAG then return 0 end
  return struct.unpack('<I4', value, VERSION_BYTES + 3)
end

-- Whether a value of this age is newer, and whether the stored one's generation is the later of the two. A tombstone,
-- which ends behind its version, is outranked by no age.
local function is_newer(value, age, stored)
  local a1, a2, a3, a4 = struct.unpack('>I4I4I4I4', value)
  local b1, b2, b3, b4 = struct.unpack('>I4I4I4I4', stored)
  if a1 ~= b1 then return a1 > b1, a1 < b1 end
  if a2 ~= b2 then return a2 > b2, a2 < b2 end
  if a3 ~= b3 then return a3 > b3, false end
  if a4 ~= b4 then return a4 > b4, false end
  return age > 0 and #stored > VERSION_BYTES and age > age_of(stored), false
end

local ttl_ms, shard, totals, offsets, types = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local segments, swept, cursor, sweep_count = tonumber(ARGV[6]), tonumber(ARGV[7]), ARGV[8], ARGV[9]
local users = #ARGV - FIRST_VALUE + 1
if segments > 0 then users = users / 2 end
local first_list = users
if shard ~= '' then first_list = users + 2 end
local hold = KEYS[first_list + segments + 1]
if hold and redis.call('EXISTS', hold) == 1 then return {HELD, 0} end

-- The user's id: what a key has between its first brace, which no namespace has, and its last one.
local function id_of(key)
  return string.sub(key, string.find(key, '{', 1, true) + 1, -2)
end

-- Make every list say what the row says, unless the stored value ends with the same digest: then they do.
local function list_member(key, row)
  if string.sub(row, 1, DIGEST_BYTES) == redis.call('GETRANGE', key, -DIGEST_BYTES, -1) then return end
  local id = id_of(key)
  for i = 1, segments do
    local since_ms = struct.unpack('>d', row, TIMES_FIRST + TIME_BYTES * (i - 1))
    if since_ms >= 0 then
      redis.call('ZADD', KEYS[first_list + i], string.format('%.0f', since_ms), id)
    else
      redis.call('ZREM', KEYS[first_list + i], id)
    end
  end
end

local accepted, outranked = 0, 0
for i = 1, users do
  local key, value = KEYS[i], ARGV[FIRST_VALUE + i - 1]
  local stored, age = redis.call('GETRANGE', key, 0, HEAD_LAST), age_of(value)
  local newer, later = true, false
  if #stored >= VERSION_BYTES then
    newer, later = is_newer(value, age, stored)
  end
  if newer then
    if segments > 0 then list_member(key, ARGV[FIRST_VALUE + users + i - 1]) end
    if age > 0 and #stored > 0 then
      redis.call('SET', key, value, 'KEEPTTL')
    else
      redis.call('SET', key, value, 'PX', ttl_ms)
    end
    accepted = accepted + 1
  elseif later then
    outranked = outranked + 1
  end
end
if shard ~= '' then
  redis.call('HSET', KEYS[users + 1], shard, totals)
  redis.call('HSET', KEYS[users + 2], shard, offsets)
  if types ~= '' then redis.call('HSET', KEYS[users + 2], 'types:' .. shard, types) end
end
if swept == 0 or users == 0 then return {accepted, outranked} end

-- A list has no time to live: take out users whose scores have expired.
local list = KEYS[first_list + swept]
local prefix = string.sub(KEYS[1], 1, string.find(KEYS[1], '{', 1, true))
local found = redis.call('ZSCAN', list, cursor, 'COUNT', sweep_count)
for i = 1, #found[2], 2 do
  local id = found[2][i]
  if redis.call('EXISTS', prefix .. id .. '}') == 0 then redis.call('ZREM', list, id) end
end
return {accepted, outranked, found[1]}
