import { bullmqFunctions } from "./bullmq.js";
import { queueFunctions } from "./queue.js";

/**
 * Leases due jobs of one queue. ARGV: prefix, now, queue, token, lease in ms, most jobs, most bytes, most running at
 * once over all processes (or -1), tokens of the bucket (or 0), their refill time in ms.
 * Answers with 1 if the rate limit holds up a due job, else 0, and the jobs:
 * id, header (empty where it is lost), body, due, attempts, crashes, crashes alone, progress, name.
 */
export const claimScript = `${queueFunctions}
${bullmqFunctions(["moveToActive", "moveToFinished"])}
local q = queueOf(ARGV[3])
local token, leaseMs, most = ARGV[4], tonumber(ARGV[5]), tonumber(ARGV[6])
local maxBytes, maxTotal, bucketMax, bucketMs = tonumber(ARGV[7]), tonumber(ARGV[8]), tonumber(ARGV[9]), tonumber(ARGV[10])
-- Once a script has written, a server without free memory lets it go on: what is full must be emptied.
rcall('DEL', q.base .. '!')

local function hasDue()
  if rcall('LLEN', q.wait) > 0 then return true end
  local first = rcall('ZRANGE', q.delayed, 0, 0, 'WITHSCORES')
  return first[2] ~= nil and tonumber(first[2]) < (now + 1) * 4096
end

if maxTotal >= 0 then most = math.min(most, maxTotal - rcall('LLEN', q.active)) end
local tokens
if bucketMax > 0 and most > 0 then
  local bucket = rcall('HMGET', q.bucket, 'tokens', 'at')
  local elapsed = math.max(0, now - (tonumber(bucket[2]) or now))
  tokens = math.min(bucketMax, (tonumber(bucket[1]) or bucketMax) + elapsed * bucketMax / bucketMs)
  most = math.min(most, math.floor(tokens))
  if most < 1 and hasDue() then return {1} end
end

--- Somebody else's job: it stays visible among the failed ones.
local function refuse(id)
  moveToFinished(
    {q.wait, q.active, q.prioritized, q.events, q.stalled, q.limiter, q.delayed, q.paused, q.meta, q.pc,
      q.failed, q.base .. id, q.base .. 'metrics:failed', q.marker},
    {id, nowText, 'failedReason', 'not a delivery of an event store', 'failed', '0', q.base,
      cmsgpack.pack({token = token, keepJobs = {count = 1000}, attempts = 0, maxMetricsSize = ''})})
end

local keys = {q.wait, q.active, q.prioritized, q.events, q.stalled, q.limiter, q.delayed, q.paused, q.meta, q.pc, q.marker}
local args = {q.base, nowText, cmsgpack.pack({token = token, lockDuration = leaseMs, name = token})}
local deadline = string.format('%.0f', serverTime() + leaseMs)
local leases, answer, bytes = {}, {0}, 0
while #answer <= most and bytes < maxBytes do
  local moved = moveToActive(keys, args)
  if type(moved[1]) ~= 'table' then break end
  local id, fields, job = moved[2], moved[1], {moved[2], false, '', false, false, false, false, false, false}
  local lock
  for place = 1, #fields, 2 do
    local name, value = fields[place], fields[place + 1]
    if name == 'sb' then job[2] = value
    elseif name == 'data' then job[3] = value
    elseif name == 'sbd' then job[4] = value
    elseif name == 'sba' then job[5] = value
    elseif name == 'sbc' then job[6] = value
    elseif name == 'sbl' then job[7] = value
    elseif name == 'sbp' then job[8] = value
    elseif name == 'name' then job[9] = value
    elseif name == 'sbk' then lock = value
    end
  end
  -- Ours, but somebody has been at it.
  if not job[2] and rcall('EXISTS', prefix .. ':!known:' .. id) == 1 then job[2] = '' end
  if job[2] then
    leases[#leases + 1] = deadline
    leases[#leases + 1] = id
    answer[#answer + 1] = job
    bytes = bytes + #job[3]
    if lock and rcall('HGET', lock, 'holder') == id then rcall('DEL', lock) end
  else
    refuse(id)
  end
end
if #leases > 0 then rcall('ZADD', q.leases, unpack(leases)) end
if tokens and #answer > 1 then
  rcall('HSET', q.bucket, 'tokens', string.format('%.17g', tokens - (#answer - 1)), 'at', nowText)
end
return answer
`;
