/**
 * `addJob(q, d, body, header)` adds a delivery as a BullMQ job: to `wait`, to `delayed`, or, behind others of its
 * key, to `waiting-children`. `release(q, line, perKey)` lets the first jobs of a line go that may. `tidy` does the same
 * after it has taken jobs out of the line that somebody deleted with other tools.
 */
export const acceptFunctions = `
local function release(q, line, perKey)
  for place = 0, perKey - 1 do
    local id = rcall('LINDEX', line, place)
    if not id then return end
    if rcall('ZSCORE', q.waitingChildren, id) then
      local jobKey = q.base .. id
      local delay = (tonumber(rcall('HGET', jobKey, 'sbd')) or now) - now
      if delay > 0 then rcall('HSET', jobKey, 'delay', string.format('%.0f', delay)) else toWake[q.name] = true end
      releaseParentIfNoPendingDependencies({jobKey, jobKey .. ':dependencies'}, {string.sub(q.base, 1, -2), id, nowText})
    end
  end
end

local function tidy(q, line, perKey)
  local isTidy = true
  for _, id in ipairs(rcall('LRANGE', line, 0, perKey - 1)) do
    if rcall('EXISTS', q.base .. id) == 0 then
      rcall('LREM', line, 1, id)
      isTidy = false
    end
  end
  if isTidy then return end
  release(q, line, perKey)
  tidy(q, line, perKey)
end

local noOptions = cmsgpack.pack({})

local function addJob(q, d, body, header)
  local jobKey = q.base .. d.id
  local due = d.due or now
  local delay = due - now
  local blocked = false
  if d.key then blocked = rcall('RPUSH', lineOf(q, d.key), d.id) > (d.perKey or 1) end
  local args = cmsgpack.pack({q.base, d.id, d.type, nowText})
  if blocked then
    addParentJob({q.meta, q.id, q.delayed, q.waitingChildren, q.completed, q.events}, {args, body, noOptions})
  elseif delay > 0 then
    addDelayedJob({q.marker, q.meta, q.id, q.delayed, q.completed, q.events},
      {args, body, cmsgpack.pack({delay = delay})})
  else
    addStandardJob({q.wait, q.paused, q.meta, q.id, q.completed, q.delayed, q.active, q.events, q.marker},
      {args, body, noOptions})
    toWake[q.name] = true
  end
  rcall('HSET', jobKey, 'sb', header, 'sbd', string.format('%.0f', due))
  if blocked then tidy(q, lineOf(q, d.key), d.perKey or 1) end
  if d.untilStart then rcall('HSET', jobKey, 'sbk', prefix .. ':!lock:' .. d.lock) end
end

local function countPending(subscription, deliveries, bytes)
  local pending = prefix .. ':!pending:' .. subscription
  rcall('HINCRBY', pending, 'n', deliveries)
  rcall('HINCRBY', pending, 'b', bytes)
end

--- The job is over: its id is remembered for the window, its key goes to the next one.
local function forget(q, id, windowMs, key, perKey, subscription, bytes)
  rcall('SET', prefix .. ':!known:' .. id, '', 'PX', windowMs)
  if bytes then countPending(subscription, -1, -bytes) end
  if key then
    local line = lineOf(q, key)
    rcall('LREM', line, 1, id)
    release(q, line, perKey)
  end
end
`;
