import { isHeldFunction } from "./hold.js";
import { queueFunctions } from "./queue.js";

/**
 * Moves deadlines. ARGV: prefix, now, the mark that each gets (or empty), then for each: queue, id, token, lease in ms.
 * Answers with 1 for each that is still held, else 0.
 */
export const extendScript = `${queueFunctions}
${isHeldFunction}
local results = {}
for place = 4, #ARGV, 4 do
  local q, id, token, leaseMs = queueOf(ARGV[place]), ARGV[place + 1], ARGV[place + 2], tonumber(ARGV[place + 3])
  local jobKey = q.base .. id
  if isHeld(q, id, token) then
    rcall('SET', jobKey .. ':lock', token, 'PX', leaseMs)
    rcall('SREM', q.stalled, id)
    rcall('ZADD', q.leases, string.format('%.0f', serverTime() + leaseMs), id)
    if ARGV[3] ~= '' then rcall('HSET', jobKey, 'sbo', ARGV[3]) end
    results[#results + 1] = 1
  else
    results[#results + 1] = 0
  end
end
return results
`;
