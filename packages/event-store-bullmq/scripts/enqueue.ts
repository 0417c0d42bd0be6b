import { acceptFunctions } from "./accept.js";
import { bullmqFunctions } from "./bullmq.js";
import { queueFunctions } from "./queue.js";

/**
 * Adds deliveries, all of them or none. ARGV: prefix, now, then a header (JSON) and a body for each.
 * Answers with one number for each: 0 enqueued, 1 duplicate, 2 deduplicated, 3 full.
 */
export const enqueueScript = `${queueFunctions}
${bullmqFunctions(["addDelayedJob", "addParentJob", "addStandardJob", "releaseParentIfNoPendingDependencies"])}
${acceptFunctions}
local function hasRoom(d)
  if not d.bytes then return true end
  local q, name = queueOf(d.queue), prefix .. ':!pending:' .. d.subscription
  local pending = rcall('HMGET', name, 'n', 'b')
  local count, bytes = tonumber(pending[1]) or 0, tonumber(pending[2]) or 0
  -- What other tools deleted was not counted down.
  if count > 0 and not q.isNoted and jobsIn(q) == 0 then
    rcall('DEL', name)
    count, bytes = 0, 0
  end
  return not (d.maxCount and count >= d.maxCount) and not (d.maxBytes and bytes + d.bytes > d.maxBytes)
end

--- A job that other tools deleted may be published again.
local function isKnown(d)
  local queue = rcall('GET', prefix .. ':!known:' .. d.id)
  return queue ~= false and (queue == '' or rcall('EXISTS', queueOf(queue).base .. d.id) == 1)
end

local function takeLock(d, header, body)
  local lock = prefix .. ':!lock:' .. d.lock
  if rcall('HSETNX', lock, 'holder', d.id) == 1 then
    rcall('PEXPIRE', lock, d.lockTtl)
    return true
  end
  if d.again and rcall('HSETNX', lock, 'again', header) == 1 then rcall('HSET', lock, 'body', body) end
  return false
end

local function accept(header, body)
  local d = cjson.decode(header)
  if isKnown(d) then return 1 end
  if not hasRoom(d) then return 3 end
  if d.lock and not takeLock(d, header, body) then return 2 end
  rcall('SET', prefix .. ':!known:' .. d.id, d.queue)
  if d.bytes then countPending(d.subscription, 1, d.bytes) end
  local q = queueOf(d.queue)
  if not q.isNoted then
    rcall('SADD', prefix .. ':!subscribers', d.queue)
    q.isNoted = true
  end
  addJob(q, d, body, header)
  return 0
end

local results = {}
for place = 3, #ARGV, 2 do results[#results + 1] = accept(ARGV[place], ARGV[place + 1]) end
wakeAll()
return results
`;
