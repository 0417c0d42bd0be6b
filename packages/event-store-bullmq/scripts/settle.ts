import { acceptFunctions } from "./accept.js";
import { bullmqFunctions } from "./bullmq.js";
import { holdFunctions } from "./hold.js";
import { queueFunctions } from "./queue.js";

/**
 * Ends leases. ARGV: prefix, now, window in ms, then for each: queue, id, token, kind, facts (JSON, or empty), and for
 * a retry its new body (or empty). Answers with 1 for each that took effect, else 0.
 */
export const settleScript = `${queueFunctions}
${bullmqFunctions([
  "addDelayedJob",
  "addParentJob",
  "addStandardJob",
  "moveJobFromActiveToWait",
  "moveToDelayed",
  "moveToFinished",
  "releaseParentIfNoPendingDependencies",
])}
${acceptFunctions}
${holdFunctions}
local windowMs = ARGV[3]

--- What was to run once more after the holder runs without a lock: after it, new duplicates count as new facts.
local function unlock(q, id, lockName)
  local lock = prefix .. ':!lock:' .. lockName
  if rcall('HGET', lock, 'holder') ~= id then return end
  local again = rcall('HMGET', lock, 'again', 'body')
  rcall('DEL', lock)
  if not again[1] then return end
  local d = cjson.decode(again[1])
  rcall('SET', prefix .. ':!known:' .. d.id, d.queue)
  if d.bytes then countPending(d.subscription, 1, d.bytes) end
  addJob(q, d, again[2], again[1])
end

local options = {}

--- Packed once for all jobs of a claim.
local function optionsOf(token)
  local packed = options[token]
  if not packed then
    packed = cmsgpack.pack({token = token, keepJobs = {count = 0}, attempts = 0, maxMetricsSize = ''})
    options[token] = packed
  end
  return packed
end

local function finish(q, id, token, kind, facts)
  local target, property, value = 'completed', 'returnvalue', 'null'
  if kind == 'dead' then target, property, value = 'failed', 'failedReason', 'dead letter' end
  local isOver = withLock(q, id, token, function()
    return moveToFinished(
      {q.wait, q.active, q.prioritized, q.events, q.stalled, q.limiter, q.delayed, q.paused, q.meta, q.pc,
        q.base .. target, q.base .. id, q.base .. 'metrics:' .. target, q.marker},
      {id, nowText, property, value, target, '0', q.base, optionsOf(token)})
  end)
  if not isOver then return 0 end
  forget(q, id, windowMs, facts.key, facts.perKey, facts.subscription, facts.bytes)
  if facts.lock then unlock(q, id, facts.lock) end
  return 1
end

local function retry(q, id, token, facts, body)
  local due = tonumber(facts.due)
  local fields = {'sba', string.format('%.0f', facts.attempts), 'sbd', string.format('%.0f', due)}
  if body ~= '' then
    fields[#fields + 1] = 'data'
    fields[#fields + 1] = body
  end
  if facts.progress then
    fields[#fields + 1] = 'sbp'
    fields[#fields + 1] = facts.progress
  end
  local isBack = withLock(q, id, token, function()
    return moveToDelayed(
      {q.marker, q.active, q.prioritized, q.delayed, q.base .. id, q.events, q.meta, q.stalled, q.wait, q.limiter, q.pc},
      {q.base, nowText, id, token, string.format('%.0f', math.max(0, due - now)), '0', cmsgpack.pack(fields), '0', ''})
  end)
  if not isBack then return 0 end
  if facts.progress then rcall('HDEL', q.base .. id, 'sbo') else rcall('HDEL', q.base .. id, 'sbo', 'sbp') end
  if due <= now then toWake[q.name] = true end
  return 1
end

local function handBack(q, id, token)
  if not putBack(q, id, token) then return 0 end
  rcall('HDEL', q.base .. id, 'sbo')
  toWake[q.name] = true
  return 1
end

local noFacts = {}
local results = {}
for place = 4, #ARGV, 6 do
  local q, id, token, kind = queueOf(ARGV[place]), ARGV[place + 1], ARGV[place + 2], ARGV[place + 3]
  local facts = noFacts
  if ARGV[place + 4] ~= '' then facts = cjson.decode(ARGV[place + 4]) end
  if kind == 'retry' then results[#results + 1] = retry(q, id, token, facts, ARGV[place + 5])
  elseif kind == 'hand_back' then results[#results + 1] = handBack(q, id, token)
  else results[#results + 1] = finish(q, id, token, kind, facts)
  end
end
wakeAll()
return results
`;
