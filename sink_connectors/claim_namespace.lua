-- Claims shards of a namespace for a job before it writes their scores, unless a job of a later generation has them.
--   KEYS  the job hash, the hashes of totals and of offsets, that of declared segments
--   ARGV  number of shards, '1' if nothing proves that the job's state has that number, job id,
--         what the keys of segments' lists begin with, then shard, generation, totals, offsets and unknown types of every shard that is claimed
-- Returns nothing; or, having changed nothing, the generation and the number of shards that are recorded.

local JOBS_BYTES_MAX = 20 * 33
local FIRST_SHARD, ARGS_A_SHARD = 5, 5
local job, progress, offsets, segments = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local shards, unproven, job_id, lists = ARGV[1], ARGV[2] == '1', ARGV[3], ARGV[4]

local recorded = redis.call('HGET', job, 'shards')
local same_shards = recorded == shards
local latest = 0
if recorded and not same_shards then -- users are spread otherwise: any shard may share users with any other
  local fields = redis.call('HGETALL', job)
  for i = 1, #fields, 2 do
    local number = tonumber(fields[i])
    if number then latest = math.max(latest, tonumber(fields[i + 1])) end
  end
  if unproven then return {latest, tonumber(recorded)} end
end

for i = FIRST_SHARD, #ARGV, ARGS_A_SHARD do
  local known = same_shards and tonumber(redis.call('HGET', job, ARGV[i]) or 0) or latest
  if tonumber(ARGV[i + 1]) < known then return {known, tonumber(recorded)} end
end

local jobs = redis.call('HGET', job, 'jobs') or ''
if not same_shards then -- the lists of members go, too: users are in those of other shards from now on
  local fields = redis.call('HKEYS', job)
  for _, segment in ipairs(redis.call('HKEYS', segments)) do
    for _, field in ipairs(fields) do
      if tonumber(field) then redis.call('UNLINK', lists .. segment .. ':' .. field) end
    end
  end
  redis.call('DEL', job, progress, offsets)
end
if string.sub(jobs, 1, #job_id) ~= job_id then
  jobs = string.sub(job_id .. ' ' .. jobs, 1, JOBS_BYTES_MAX)
end
redis.call('HSET', job, 'shards', shards, 'jobs', jobs)
if redis.call('HGET', job, 'dropping') then redis.call('HDEL', job, 'dropping') end -- it is being filled again
for i = FIRST_SHARD, #ARGV, ARGS_A_SHARD do
  redis.call('HSET', job, ARGV[i], ARGV[i + 1])
  redis.call('HSET', progress, ARGV[i], ARGV[i + 2])
  redis.call('HSET', offsets, ARGV[i], ARGV[i + 3], 'types:' .. ARGV[i], ARGV[i + 4])
end
return {}
