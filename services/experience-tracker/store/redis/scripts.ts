import { createHash } from "node:crypto";
import type { Redis } from "ioredis";

/** The consumer group that reads the outbox. */
const outboxGroup = "publish";

/** A script that the server may or may not know. */
export interface Script {
  run(client: Redis, keys: readonly string[], values: readonly string[]): Promise<unknown>;
}

/** Sends the digest, and the script itself to a server that has forgotten it. */
export function createScript(source: string): Script {
  const digest = createHash("sha1").update(source).digest("hex");
  return {
    async run(client, keys, values) {
      try {
        return await client.evalsha(digest, keys.length, ...keys, ...values);
      } catch (error) {
        if (!(error instanceof Error) || !error.message.startsWith("NOSCRIPT")) throw error;
        return client.eval(source, keys.length, ...keys, ...values);
      }
    },
  };
}

/**
 * KEYS: meta of the first shard. ARGV: now or empty, replica, reason, gap after, recovery grace, forget gaps before, how long
 * ago the replica was heard or empty. Gives the gap as `from|to|reason` or nothing, the moment until which nothing expires, and who is alive.
 */
export const heartbeatScript = `
local meta = KEYS[1]
local now = tonumber(ARGV[1])
if not now then
  local t = redis.call('TIME')
  now = tonumber(t[1]) * 1000 + math.floor(tonumber(t[2]) / 1000)
end
local replica, reason, gapAfter, grace = ARGV[2], ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5])
local heard = tonumber(ARGV[7])
if heard and heard <= gapAfter then reason = 'store_down' end
local all = redis.call('HGETALL', meta)
local last, alive, gap = nil, { replica }, ''
local held = tonumber(redis.call('HGET', meta, 'hold_until_ms') or '0')
-- What lies further ahead than it can was written before the server's clock went back.
local hold = held > now + grace and 0 or held
for i = 1, #all, 2 do
  local name, value = all[i], all[i + 1]
  if string.sub(name, 1, 8) == 'replica:' then
    local at = tonumber(value)
    if not last or at > last then last = at end
    local other = string.sub(name, 9)
    if math.abs(now - at) > gapAfter then
      if other ~= replica then redis.call('HDEL', meta, name) end
    elseif other ~= replica then alive[#alive + 1] = other end
  elseif string.sub(name, 1, 4) == 'gap:' and tonumber(string.sub(name, 5, 19)) < tonumber(ARGV[6]) then
    redis.call('HDEL', meta, name)
  end
end
if last and now - last > gapAfter then
  hold = math.max(hold, now + math.min(now - last, grace))
  gap = string.format('%.0f|%.0f|%s', last, now, reason)
  redis.call('HSET', meta, 'gap:' .. string.format('%015.0f', last), gap .. '|' .. replica)
end
if hold ~= held then redis.call('HSET', meta, 'hold_until_ms', string.format('%.0f', hold)) end
redis.call('HSET', meta, 'replica:' .. replica, string.format('%.0f', now))
return { gap, string.format('%.0f', hold), alive }
`;

/**
 * KEYS: meta of the first shard. ARGV: name, gap, `goes_on` or `over`. 1 when the silence was not known, or went on until
 * now; what goes on is marked with `~`.
 */
export const silenceScript = `
local known = redis.call('HGET', KEYS[1], ARGV[1])
local goesOn = ARGV[3] == 'goes_on'
if known and (goesOn or string.sub(known, 1, 1) ~= '~') then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], (goesOn and '~' or '') .. ARGV[2])
return 1
`;

/**
 * KEYS: meta, outbox. ARGV: now or empty, replica, lease, limit. Nothing while somebody has records in hand, so that those of
 * a run are published in their order. What a consumer had in hand when its lease ran out is handed out again before
 * anything new.
 */
export const takeOutboxScript = `
local meta, outbox, consumer = KEYS[1], KEYS[2], ARGV[2]
local now = tonumber(ARGV[1])
if not now then
  local t = redis.call('TIME')
  now = tonumber(t[1]) * 1000 + math.floor(tonumber(t[2]) / 1000)
end
if tonumber(redis.call('HGET', meta, 'outbox_until_ms') or '0') > now then return {} end
local pending = redis.pcall('XPENDING', outbox, '${outboxGroup}')
if pending.err then
  redis.call('XGROUP', 'CREATE', outbox, '${outboxGroup}', '0', 'MKSTREAM')
  pending = { 0 }
end
local found, room = {}, tonumber(ARGV[4])
if pending[1] > 0 then
  -- The lease tells that they were idle long enough.
  found = redis.call('XAUTOCLAIM', outbox, '${outboxGroup}', consumer, '0', '0-0', 'COUNT', room)[2]
end
if #found < room then
  local read = redis.call('XREADGROUP', 'GROUP', '${outboxGroup}', consumer, 'COUNT', room - #found, 'STREAMS', outbox, '>')
  for _, entry in ipairs(read and read[1][2] or {}) do found[#found + 1] = entry end
end
if #found > 0 then
  -- Without anything in hand a consumer is but a name; whoever lives comes back by reading.
  for _, other in ipairs(redis.call('XINFO', 'CONSUMERS', outbox, '${outboxGroup}')) do
    if other[2] ~= consumer and other[4] == 0 then redis.call('XGROUP', 'DELCONSUMER', outbox, '${outboxGroup}', other[2]) end
  end
  redis.call('HSET', meta, 'outbox_until_ms', string.format('%.0f', now + tonumber(ARGV[3])), 'outbox_owner', consumer)
end
return found
`;

/** KEYS: meta, outbox. ARGV: replica, ids. A lease that somebody else has taken over meanwhile stays. */
export const ackOutboxScript = `
local meta, outbox = KEYS[1], KEYS[2]
local ids = { unpack(ARGV, 2) }
if #ids > 0 and redis.call('EXISTS', outbox) == 1 then
  redis.call('XACK', outbox, '${outboxGroup}', unpack(ids))
  redis.call('XDEL', outbox, unpack(ids))
end
if redis.call('HGET', meta, 'outbox_owner') == ARGV[1] then
  redis.call('HDEL', meta, 'outbox_until_ms', 'outbox_owner')
end
`;
