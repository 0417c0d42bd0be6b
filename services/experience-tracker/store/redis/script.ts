/**
 * One step of one run, decided and written by Redis itself. The rules are those of `advance` and `expire`, row by row; the
 * contract suite compares both. All keys are declared:
 *
 * KEYS: run, timeline, due, open, final, counters, outbox, meta
 * ARGV: see `stepArguments`; times are milliseconds, absent values are empty
 *
 * Fields of the run's hash: s state; v version, x label where it is not the id, f category, u urgency, th threshold, to timeout, ia inactivity;
 * pa path; pm marks on it; b born; sa, ss, st start (occurred, server, trusted); q due; h* held end; l* last seen (ll only where it is not ly); ls last server time;
 * v* verdict; e* late end; n recorded; p position; a anomalies.
 *
 * A timeline holds two elements for each checkpoint, its event key and its entry: nine values that the step decides, then
 * what the producer sent as JSON, all joined with `|`.
 */
const stepBody = `
local K_RUN, K_TL, K_DUE, K_OPEN, K_FINAL, K_COUNT, K_OUT, K_META = unpack(KEYS)
local A = ARGV
local now = tonumber(A[1])
if not now then
  local t = redis.call('TIME')
  now = tonumber(t[1]) * 1000 + math.floor(tonumber(t[2]) / 1000)
end
local lateGrace, missingGrace, retention, rejectSkew = tonumber(A[2]), tonumber(A[3]), tonumber(A[4]), A[5] == '1'
local maxTimeline = 1000
local identity, member = A[6], A[7]
local op = A[8]

local function num(n)
  if n == math.floor(n) then return string.format('%.0f', n) end
  return string.format('%.3f', n)
end

local function final(s) return s ~= 'open' and s ~= 'orphan' end

local stored = redis.call('HGETALL', K_RUN)
local r, old = nil, nil
if #stored > 0 then
  r, old = {}, {}
  for i = 1, #stored, 2 do
    r[stored[i]] = stored[i + 1]
    old[stored[i]] = stored[i + 1]
  end
end
local before = r and r.s or nil
local startsAnew = false
if r and final(r.s) and r.vd and now - tonumber(r.vd) > retention then
  startsAnew, r, before = true, nil, nil
end

-- Several steps raise the counters together when all of them are done.
local function raise(key, by)
  if raised then raised[key] = (raised[key] or 0) + by
  else redis.call('HINCRBY', K_COUNT, key, by) end
end
local counts, records = {}, {}
local function count(key) counts[#counts + 1] = key end
local ownId = string.match(identity, '^[^|]*|([^|]*)|')
local function xlabel() return r.x or ownId end
local function series() return xlabel() .. '|' .. r.f .. '|' .. r.u .. '|' end

local function note(list, name)
  for _, known in ipairs(list) do if known == name then return end end
  list[#list + 1] = name
end
local function noteRun(names)
  local list = {}
  for name in string.gmatch(r.a or '', '[^,]+') do list[#list + 1] = name end
  for _, name in ipairs(names) do note(list, name) end
  if #list > 0 then r.a = table.concat(list, ',') end
end

local heldFields = { 'ho', 'ha', 'hs', 'ht', 'hy', 'hl', 'hm', 'hr', 'hd' }
local function heldEnd()
  if not r.ho then return nil end
  return { outcome = r.ho, at = tonumber(r.ha), server = tonumber(r.hs), trusted = r.ht == '1', type = r.hy,
    label = r.hl, message = r.hm, reason = r.hr, reasonLabel = r.hd }
end

local maxPathMarks = 100
local function pathSteps()
  local steps = {}
  for option, name, gap in string.gmatch(r.pa, '(%??)([^,~?]+)~?([%d.]*)') do
    steps[#steps + 1] = { category = name, optional = option == '?', gap = tonumber(gap) }
  end
  return steps
end
local function mark(category, at)
  if not r.pa or category == '' then return end
  local marks = 0
  for _ in string.gmatch(r.pm or '', '@') do marks = marks + 1 end
  if marks >= maxPathMarks then return end
  for index, known in ipairs(pathSteps()) do
    if known.category == category then
      r.pm = (r.pm and r.pm .. ',' or '') .. num(index - 1) .. '@' .. num(at)
      return
    end
  end
end
local function leavesPath(state)
  if not r.pa or state == 'discarded' or state == 'orphaned' then return false end
  local path, marks = pathSteps(), {}
  local function required(from, to)
    for index = from, to do if not path[index].optional then return true end end
    return false
  end
  for step, at in string.gmatch(r.pm or '', '(%d+)@([%d.-]+)') do
    local one = { step = tonumber(step) + 1, at = tonumber(at) }
    local place = #marks + 1
    while place > 1 and marks[place - 1].at > one.at do place = place - 1 end
    table.insert(marks, place, one)
  end
  local reached, before = 0, tonumber(r.sa)
  for _, one in ipairs(marks) do
    local gap = path[one.step].gap
    if one.step < reached or required(reached + 1, one.step - 1) then return true end
    if gap and before and one.at - before > gap then return true end
    reached, before = one.step, one.at
  end
  return state == 'succeeded' and required(reached + 1, #path)
end

local leftPath = false
local function conclude(state, v)
  leftPath = leavesPath(state)
  for _, field in ipairs(heldFields) do r[field] = nil end
  r.q = nil
  r.pm = nil
  r.s = state
  r.vr, r.va, r.vd, r.ve, r.vl, r.vx, r.vy, r.vm, r.vi =
    v.reason, num(v.at), num(now), v.ended and num(v.ended), v.elapsed and num(v.elapsed), v.apdex, v.type, v.message, v.discard
end

local function decide(e, elapsed)
  local v = { at = e.at, ended = e.at, elapsed = elapsed, type = e.type, message = e.message, discard = e.reason }
  if e.outcome == 'discarded' then
    count('discards|' .. xlabel() .. '|' .. (e.reasonLabel or 'unspecified'))
    conclude('discarded', v)
    return 'discarded'
  end
  count('checkpoint|' .. series() .. e.label .. '|end')
  if e.outcome == 'error' then
    count('total|' .. series() .. e.label .. '|true')
    v.reason = 'error'
    conclude('failed', v)
    return 'failed'
  end
  count('total|' .. series() .. e.label .. '|false')
  if elapsed then
    local good = elapsed <= tonumber(r.th)
    v.apdex = good and '1' or '0'
    count('apdex|' .. series() .. e.label .. '|' .. (good and 'true' or 'false'))
  end
  conclude('succeeded', v)
  return 'completed'
end

local function deadlineOf()
  local deadline = tonumber(r.sa) + tonumber(r.to)
  if r.ia then deadline = math.min(deadline, tonumber(r.ls) + tonumber(r.ia)) end
  return deadline
end

local expiredAs, expiredState, expirySnapshot = nil, nil, nil
local function flatten()
  local flat = {}
  local last = 0
  for field, value in pairs(r) do
    flat[last + 1] = field
    flat[last + 2] = value
    last = last + 2
  end
  return flat
end
-- No value has control characters.
local function snapshot() return table.concat(flatten(), '\\31') end

local function expire()
  if not r or final(r.s) or not r.q then return false end
  local due = tonumber(r.q)
  if now <= due then return false end
  if now <= tonumber(redis.call('HGET', K_META, 'hold_until_ms') or '0') then return false end
  local function notePath()
    if not leftPath then return end
    noteRun({ 'path_violation' })
    count('anomalies|path_violation')
  end
  if r.s == 'open' then
    local deadline = deadlineOf()
    local started = tonumber(r.sa)
    local reason = deadline >= started + tonumber(r.to) and 'timeout' or 'inactivity'
    count('total|' .. series() .. (r.ll or r.ly or 'other') .. '|true')
    count('timeouts|' .. xlabel() .. '|' .. reason)
    conclude('timed_out', { reason = reason, at = deadline, elapsed = math.max(0, deadline - started), type = r.ly or 'other' })
    expiredAs = 'timed_out'
    notePath()
  elseif r.ho then
    expiredAs = decide(heldEnd(), nil)
    if expiredAs == 'failed' then r.vr = 'missing_start' end
    notePath()
    noteRun({ 'missing_start' })
    count('anomalies|missing_start')
  else
    conclude('orphaned', { reason = 'missing_start', at = due, type = r.ly or 'other' })
    expiredAs = 'orphaned'
    noteRun({ 'missing_start' })
    count('anomalies|missing_start')
  end
  expiredState = r.s
  return true
end

local function setDeadline()
  if r.sa then r.q = num(math.max(deadlineOf(), tonumber(r.ss) + lateGrace)) end
end

local function write(entryKey, entry, verdict)
  local position = tonumber(r.p or '0')
  local plan = {}
  if expiredAs then plan[#plan + 1] = { expiredAs, '' } end
  if entry then plan[#plan + 1] = { 'checkpoint_recorded', entryKey .. '|' .. entry } end
  if entry and verdict then plan[#plan + 1] = { verdict, entryKey .. '|' .. entry } end
  if #plan > 0 then r.p = num(position + #plan) end

  if startsAnew then
    redis.call('DEL', K_RUN, K_TL)
    old = nil
  end
  local flat = flatten()
  if not old then
    redis.call('HSET', K_RUN, unpack(flat))
  else
    local changed, gone = {}, {}
    for field, value in pairs(r) do
      if old[field] ~= value then
        changed[#changed + 1] = field
        changed[#changed + 1] = value
      end
    end
    for field in pairs(old) do if not r[field] then gone[#gone + 1] = field end end
    if #changed > 0 then redis.call('HSET', K_RUN, unpack(changed)) end
    if #gone > 0 then redis.call('HDEL', K_RUN, unpack(gone)) end
  end
  if entry then redis.call('RPUSH', K_TL, entryKey, entry) end

  if final(r.s) then
    redis.call('ZREM', K_DUE, identity)
    redis.call('ZREM', K_OPEN, member)
    redis.call('ZADD', K_FINAL, r.vd, identity)
    -- A minute more than it is known: until then the step itself tells that it had its time.
    local ttl = num(math.max(0, tonumber(r.vd) + retention - now) + 60000)
    redis.call('PEXPIRE', K_RUN, ttl)
    redis.call('PEXPIRE', K_TL, ttl)
  else
    redis.call('ZADD', K_DUE, r.q, identity)
    if not old or old.sa ~= r.sa or old.s ~= r.s then redis.call('ZADD', K_OPEN, r.sa or r.b, member) end
    if startsAnew or (before and final(before)) or expiredAs then
      redis.call('ZREM', K_FINAL, identity)
      redis.call('PERSIST', K_RUN)
      redis.call('PERSIST', K_TL)
    end
  end

  for _, key in ipairs(counts) do raise(key, 1) end
  if before ~= r.s then
    if before == 'open' or before == 'orphan' then raise('open|' .. before, -1) end
    if r.s == 'open' or r.s == 'orphan' then raise('open|' .. r.s, 1) end
  end

  local text = table.concat(flat, '\\31')
  for index, record in ipairs(plan) do
    local run = text
    if index == 1 and expirySnapshot and r.s ~= expiredState then run = expirySnapshot end
    redis.call('XADD', K_OUT, '*', 'i', identity, 'k', record[1], 'p', num(position + index - 1), 't', num(now), 'r', run, 'e', record[2])
  end
  return #plan, text
end

if op == 'expire' then
  if not r then
    -- The server lost the run and kept its place in the index.
    redis.call('ZREM', K_DUE, identity)
    return false
  end
  if not expire() then return false end
  local outboxed, text = write(nil, nil, nil)
  return { 'expired', text, '', '', '', outboxed }
end

local eventKey, digest, kind, category, ctype, label = A[9], A[10], A[11], A[12], A[13], A[14]
local client, sent, ulidTime, sequence = tonumber(A[15]), tonumber(A[16]), tonumber(A[17]), A[18]
local outcome, message, reason, reasonLabel, given = A[19], A[20], A[21], A[22], A[23]
local function some(text) if text == '' then return nil end return text end

local place = r and redis.call('LPOS', K_TL, eventKey)
if place then
  local entry = redis.call('LINDEX', K_TL, place + 1)
  local firstDigest = string.match(entry, '^([^|]*)|')
  local changed = expire()
  local reused = firstDigest ~= digest and 'event_id_reused' or ''
  if reused ~= '' then count('anomalies|event_id_reused') end
  local outboxed, text = 0, nil
  if changed then
    outboxed, text = write(nil, nil, nil)
  else
    for _, key in ipairs(counts) do raise(key, 1) end
    text = snapshot()
  end
  return { 'duplicate', text, eventKey, entry, reused, outboxed }
end

local own = {}
for name in string.gmatch(given, '[^,]+') do note(own, name) end
local at = client
if sent and math.abs(now - sent) > 10000 then
  at = at + now - sent
  note(own, 'clock_corrected')
end
local trusted = at >= now - 86400000 and at <= now + 60000
if not trusted then
  if rejectSkew then return { 'rejected' } end
  at = now
  note(own, 'clock_skew')
end
if ulidTime and math.abs(ulidTime - at) > 86400000 then note(own, 'ulid_time_mismatch') end

expire()
local opened = r == nil or r.s == 'orphaned'
if expiredAs == 'orphaned' then expirySnapshot = snapshot() end
local full = r and tonumber(r.n) >= maxTimeline
local applied, effect, verdict = false, false, nil
local stepNotes = {}

local function newRecord(kept)
  r = { s = 'orphan', v = A[24], x = A[25] ~= ownId and A[25] or nil, f = A[26], u = A[27], th = A[28], to = A[29], ia = some(A[30]), pa = some(A[32]),
    b = kept and kept.b or num(now), n = kept and kept.n or '0', p = kept and kept.p or '0', a = kept and kept.a or nil, ls = num(now) }
end

local function seen()
  r.ls = num(now)
  mark(category, at)
  local later = true
  if r.la then
    local last = tonumber(r.la)
    if at ~= last then later = at > last
    else later = ctype ~= r.ly or tonumber(some(sequence) or '0') >= tonumber(r.lq or '0') end
  end
  if later then r.ly, r.ll, r.lc, r.lq, r.la = ctype, label ~= ctype and label or nil, some(category), some(sequence), num(at) end
end

local function elapsedTo(e)
  if not r.sa then return nil, false end
  local byOccurred = e.at - tonumber(r.sa)
  if r.st == '1' and e.trusted and byOccurred >= 0 then return byOccurred, false end
  local byServer = e.server - tonumber(r.ss)
  if byServer >= 0 then return byServer, true end
  return nil, true
end

local function ended(e)
  local elapsed, skewed = elapsedTo(e)
  if skewed then note(stepNotes, 'clock_skew') end
  local decided = decide(e, elapsed)
  if leftPath then note(stepNotes, 'path_violation') end
  return decided
end

local function thisEnd()
  return { outcome = outcome, at = at, server = now, trusted = trusted, type = ctype, label = label,
    message = some(message), reason = some(reason), reasonLabel = some(reasonLabel) }
end

local function open()
  seen()
  r.s = 'open'
  r.sa, r.ss, r.st = num(at), num(now), trusted and '1' or '0'
  setDeadline()
  count('checkpoint|' .. series() .. label .. '|start')
  applied = true
  local e = heldEnd()
  if e then verdict = ended(e) end
end

local function hold_end(due)
  seen()
  r.q = num(due)
  r.ho, r.ha, r.hs, r.ht, r.hy, r.hl, r.hm, r.hr, r.hd =
    outcome, num(at), num(now), trusted and '1' or '0', ctype, label, some(message), some(reason), some(reasonLabel)
  applied = true
end

local function intermediate()
  seen()
  count('checkpoint|' .. series() .. label .. '|intermediate')
  applied = true
end

local function repeated(first) note(stepNotes, first == outcome and 'duplicate_end' or 'conflicting_end') end

local function judge()
  if opened then
    newRecord(r)
    if kind == 'start' then open()
    elseif kind == 'intermediate' then
      intermediate()
      r.q = num(now + tonumber(r.to))
    else hold_end(now + missingGrace) end
  elseif r.s == 'open' then
    if kind == 'start' then
      note(stepNotes, 'duplicate_start')
      if trusted and at < tonumber(r.sa) then
        r.sa, r.st = num(at), '1'
        setDeadline()
      end
    elseif kind == 'intermediate' then
      intermediate()
      setDeadline()
    else
      seen()
      applied = true
      verdict = ended(thisEnd())
    end
  elseif r.s == 'orphan' then
    if kind == 'start' then open()
    elseif kind == 'intermediate' then intermediate()
    elseif r.ho then repeated(r.ho)
    else hold_end(math.min(tonumber(r.q), now + missingGrace)) end
  elseif r.s == 'timed_out' then
    if kind == 'start' then note(stepNotes, 'start_after_terminal')
    elseif kind == 'intermediate' then note(stepNotes, 'checkpoint_after_timeout')
    elseif r.ea then note(stepNotes, 'duplicate_end')
    else
      r.ea, r.eo, r.el = num(at), outcome, num(math.max(0, at - tonumber(r.va)))
      count('late_ends|' .. xlabel() .. '|' .. outcome)
      note(stepNotes, 'late_end')
      effect = true
    end
  elseif r.s == 'discarded' then note(stepNotes, 'checkpoint_after_discard')
  elseif kind == 'start' then note(stepNotes, 'start_after_terminal')
  elseif kind == 'intermediate' then note(stepNotes, 'checkpoint_after_end')
  else repeated(r.s == 'failed' and 'error' or 'success') end
end

local fits = true
if full then
  fits = false
  if kind == 'end' and (opened or r.s == 'open' or (r.s == 'orphan' and not r.ho) or (r.s == 'timed_out' and not r.ea)) then
    fits = true
  end
end
if fits then judge() else note(stepNotes, 'timeline_full') end

for _, name in ipairs(stepNotes) do note(own, name) end
noteRun(own)
for _, name in ipairs(own) do count('anomalies|' .. name) end
local entry = table.concat({ digest, num(now), num(at), applied and '1' or '0', table.concat(own, ','), r.s,
  opened and '1' or '0', r.s == 'open' and num(deadlineOf()) or '', r.vl or '', r.vx or '', A[31] }, '|')
if fits then r.n = num(tonumber(r.n) + 1) end
local outboxed, text = write(eventKey, fits and entry or nil, verdict)
return { applied and 'applied' or 'recorded', text, eventKey, entry, '', outboxed }
`;

export const stepScript = `local raised = nil
${stepBody}`;

/** Steps in one call of `stepsScript`: some milliseconds in which the server does nothing else. */
export const maxSteps = 50;

const keysOfStep = 8;
const counterKey = 6;
const situationValues = 5;

/**
 * Several steps of one shard, one after the other. Each stands alone, as if it had been sent by itself; of one that cannot
 * be taken the answer is `failed` with the reason.
 *
 * KEYS: those of the first step, of the second, … ARGV: how many values are each step's own, what all have in common, then
 * the values of each step.
 */
export const stepsScript = `
local function step(KEYS, ARGV, raised)
${stepBody}
end
local width = tonumber(ARGV[1])
local answers, totals = {}, {}
for index = 1, #KEYS / ${keysOfStep} do
  local keys, values, raised = {}, { unpack(ARGV, 2, ${1 + situationValues}) }, {}
  for place = 1, ${keysOfStep} do keys[place] = KEYS[(index - 1) * ${keysOfStep} + place] end
  local before = ${1 + situationValues} + (index - 1) * width
  for place = 1, width do values[${situationValues} + place] = ARGV[before + place] end
  local taken, answer = pcall(step, keys, values, raised)
  if taken then
    answers[index] = answer
    for key, by in pairs(raised) do totals[key] = (totals[key] or 0) + by end
  else answers[index] = { 'failed', type(answer) == 'table' and answer.err or tostring(answer) } end
end
for key, by in pairs(totals) do
  if by ~= 0 then redis.call('HINCRBY', KEYS[${counterKey}], key, by) end
end
return answers
`;
