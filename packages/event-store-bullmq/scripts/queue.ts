/**
 * Names of keys. BullMQ's are `<prefix>:<queue>:<what>`; ours have a `!`, which neither queue names nor job ids contain.
 *
 *     <prefix>:!subscribers            set: queues that were ever written to
 *     <prefix>:!known:<job>            string: its queue while the delivery is unsettled, then empty until it is forgotten
 *     <prefix>:!pending:<subscription> hash: n deliveries and b bytes that count towards `maxPending`
 *     <prefix>:!lock:<name>            hash: holder of a deduplication lock, and what runs once more after it
 *     <prefix>:<queue>:!leases         sorted set: running jobs by the end of their lease
 *     <prefix>:<queue>:!line:<sha1>    list: unsettled jobs of one key in order of acceptance
 *     <prefix>:<queue>:!bucket         hash: token bucket
 *
 * Fields of ours in a job's hash: `sb` what never changes (JSON), `sbd` due time, `sba` attempts, `sbc` crashes,
 * `sbl` crashes alone, `sbo` mark of the lease (`begun`, `alone`), `sbp` progress, `sbk` lock that ends when it starts. BullMQ's `pb` (processed by) holds the token of the lease.
 */
export const queueFunctions = `
local prefix = ARGV[1]
local nowText = ARGV[2]
local now = tonumber(nowText)
local rcall = redis.call
local queues = {}
local toWake = {}

local function queueOf(name)
  local q = queues[name]
  if not q then
    local base = prefix .. ':' .. name .. ':'
    q = {
      name = name, base = base,
      wait = base .. 'wait', active = base .. 'active', delayed = base .. 'delayed', paused = base .. 'paused',
      meta = base .. 'meta', id = base .. 'id', completed = base .. 'completed', failed = base .. 'failed',
      events = base .. 'events', marker = base .. 'marker', stalled = base .. 'stalled', limiter = base .. 'limiter',
      prioritized = base .. 'prioritized', pc = base .. 'pc', waitingChildren = base .. 'waiting-children',
      leases = base .. '!leases', bucket = base .. '!bucket',
    }
    queues[name] = q
  end
  return q
end

--- Leases are measured with the clock of the server: those of the processes may differ. Milliseconds.
local function serverTime()
  local time = rcall('TIME')
  return tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end

local function jobsIn(q)
  return rcall('LLEN', q.wait) + rcall('LLEN', q.active) + rcall('ZCARD', q.delayed) + rcall('ZCARD', q.waitingChildren)
end

local function lineOf(q, key)
  return q.base .. '!line:' .. redis.sha1hex(key)
end

--- Empty for what somebody else has written over.
local function decoded(header)
  local isRead, d = pcall(cjson.decode, header)
  if isRead and type(d) == 'table' then return d end
  return {}
end

local function wakeAll()
  for name in pairs(toWake) do rcall('PUBLISH', prefix .. ':!wake', name) end
end
`;
