/** `isHeld(q, id, token)`: nobody else was given the job since this token was. */
export const isHeldFunction = `
local function isHeld(q, id, token)
  return rcall('HGET', q.base .. id, 'pb') == token and rcall('ZSCORE', q.leases, id) ~= false
end
`;

/**
 * What settling and expiring have in common. BullMQ's lock lives as long as the lease; a holder that comes
 * late, but before anybody else was given the job, gets its lock back.
 */
export const holdFunctions = `${isHeldFunction}
--- Does what the function does; false when the job is somebody else's by now. -2 and -6: the lock is gone, or another one.
local function withLock(q, id, token, move)
  local result = move()
  if result == -2 and isHeld(q, id, token) then
    rcall('SET', q.base .. id .. ':lock', token, 'PX', 10000)
    result = move()
  end
  if type(result) == 'number' and result < 0 then return false end
  rcall('ZREM', q.leases, id)
  return true
end

--- To the front of the queue.
local function putBack(q, id, token)
  return withLock(q, id, token, function()
    return moveJobFromActiveToWait(
      {q.active, q.wait, q.stalled, q.paused, q.meta, q.limiter, q.prioritized, q.marker, q.events},
      {id, token, q.base .. id})
  end)
end
`;
