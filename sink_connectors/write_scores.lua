-- Sets each user's value if its version is newer than the stored one, then the progress of the shard they came from.
--   KEYS  a key a user, then the hashes of totals and of offsets if there is progress
--   ARGV  time to live in ms, shard or '', totals or '', offsets or '', unknown types or '' (as before), then a value a
--         user in the order of the keys
-- Returns how many values were set, and how many were refused because a job of a later generation wrote the stored one.
--
-- A version is the first 16 bytes of a value, compared as four unsigned 32-bit numbers: a Lua number is exact only
-- below 2^53, and `<` on strings follows the server's locale.

local VERSION_LAST, FIRST_VALUE = 15, 6

-- Whether the value is newer, and whether the stored one's generation is the later of the two.
local function is_newer(value, stored)
  local a1, a2, a3, a4 = struct.unpack('>I4I4I4I4', value)
  local b1, b2, b3, b4 = struct.unpack('>I4I4I4I4', stored)
  if a1 ~= b1 then return a1 > b1, a1 < b1 end
  if a2 ~= b2 then return a2 > b2, a2 < b2 end
  if a3 ~= b3 then return a3 > b3, false end
  return a4 > b4, false
end

local ttl_ms, shard, totals, offsets, types = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local accepted, outranked = 0, 0
for i = FIRST_VALUE, #ARGV do
  local key, value = KEYS[i - FIRST_VALUE + 1], ARGV[i]
  local stored = redis.call('GETRANGE', key, 0, VERSION_LAST)
  local newer, later = true, false
  if #stored > VERSION_LAST then
    newer, later = is_newer(value, stored)
  end
  if newer then
    redis.call('SET', key, value, 'PX', ttl_ms)
    accepted = accepted + 1
  elseif later then
    outranked = outranked + 1
  end
end
if shard ~= '' then
  redis.call('HSET', KEYS[#KEYS - 1], shard, totals)
  redis.call('HSET', KEYS[#KEYS], shard, offsets)
  if types ~= '' then redis.call('HSET', KEYS[#KEYS], 'types:' .. shard, types) end
end
return {accepted, outranked}
