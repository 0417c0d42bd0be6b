import { acceptFunctions } from "./accept.js";
import { bullmqFunctions } from "./bullmq.js";
import { queueFunctions } from "./queue.js";

/**
 * Deletes waiting jobs of one queue. ARGV: prefix, now, queue, type of event (or empty), where (`wait`, `delayed`,
 * `waiting-children`), how many to pass over, how many to look at. Answers with how many were looked at and deleted.
 */
export const removeScript = `${queueFunctions}
${bullmqFunctions(["addDelayedJob", "addParentJob", "addStandardJob", "releaseParentIfNoPendingDependencies"])}
${acceptFunctions}
local q = queueOf(ARGV[3])
local eventType, where, skip, count = ARGV[4], ARGV[5], tonumber(ARGV[6]), tonumber(ARGV[7])
local windowMs = ARGV[8]
local ids
if where == 'wait' then
  ids = rcall('LRANGE', q.wait, -(skip + count), -(skip + 1))
else
  ids = rcall('ZRANGE', q.base .. where, skip, skip + count - 1)
end
local removed = 0
for place = #ids, 1, -1 do
  local id = ids[place]
  local jobKey = q.base .. id
  local job = rcall('HMGET', jobKey, 'name', 'sb')
  if job[2] and (eventType == '' or job[1] == eventType) then
    if where == 'wait' then rcall('LREM', q.wait, -1, id) else rcall('ZREM', q.base .. where, id) end
    rcall('DEL', jobKey)
    rcall('XADD', q.events, 'MAXLEN', '~', 10000, '*', 'event', 'removed', 'jobId', id, 'prev', where)
    local d = decoded(job[2])
    forget(q, id, windowMs, d.key, d.perKey or 1, d.subscription, d.bytes)
    if d.lock then
      local lock = prefix .. ':!lock:' .. d.lock
      if rcall('HGET', lock, 'holder') == id then rcall('DEL', lock) end
    end
    removed = removed + 1
  end
end
wakeAll()
return {#ids, removed}
`;
