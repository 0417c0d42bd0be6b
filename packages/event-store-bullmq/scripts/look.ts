import { acceptFunctions } from "./accept.js";
import { bullmqFunctions } from "./bullmq.js";
import { holdFunctions } from "./hold.js";
import { queueFunctions } from "./queue.js";

/**
 * Offers jobs again whose lease ran out, counts that, and answers with the queues that have something due. Each time it
 * also looks at one job that waits for its key, whether what it waits for is still there.
 * ARGV: prefix, now, then queues.
 */
export const lookScript = `${queueFunctions}
${bullmqFunctions(["moveJobFromActiveToWait", "releaseParentIfNoPendingDependencies"])}
${acceptFunctions}
${holdFunctions}
local function expire(q, id)
  local jobKey = q.base .. id
  local job = rcall('HMGET', jobKey, 'pb', 'sbo', 'sbc')
  rcall('SET', jobKey .. ':lock', job[1] or '', 'PX', 10000)
  if not job[1] or not putBack(q, id, job[1]) then
    rcall('DEL', jobKey .. ':lock')
    rcall('ZREM', q.leases, id)
    return
  end
  rcall('HINCRBY', jobKey, 'stc', 1)
  if job[2] and job[2] ~= 'begun' then rcall('HINCRBY', jobKey, 'sbl', 1)
  elseif job[2] or not job[3] then rcall('HINCRBY', jobKey, 'sbc', 1) end
  rcall('HDEL', jobKey, 'sbo', 'pb')
  rcall('XADD', q.events, 'MAXLEN', '~', 10000, '*', 'event', 'stalled', 'jobId', id)
end

local function tidyOne(q)
  local id = rcall('ZRANDMEMBER', q.waitingChildren)
  local header = id and rcall('HGET', q.base .. id, 'sb')
  if not header then return end
  local d = decoded(header)
  if d.key then tidy(q, lineOf(q, d.key), d.perKey or 1) end
end

local serverNow = string.format('%.0f', serverTime())
local found = {}
for place = 3, #ARGV do
  local q = queueOf(ARGV[place])
  local expired = rcall('ZRANGEBYSCORE', q.leases, '-inf', serverNow, 'LIMIT', 0, 100)
  for _, id in ipairs(expired) do expire(q, id) end
  tidyOne(q)
  local isDue = rcall('LLEN', q.wait) > 0
  if not isDue then
    local first = rcall('ZRANGE', q.delayed, 0, 0, 'WITHSCORES')
    isDue = first[2] ~= nil and tonumber(first[2]) < (now + 1) * 4096
  end
  if isDue then found[#found + 1] = q.name end
end
return found
`;
