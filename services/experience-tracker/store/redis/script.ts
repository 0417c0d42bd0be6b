/** Steps in one call of the script: some milliseconds in which the server does nothing else. */
export const maxSteps = 50;

const sharedKeys = 5;
const keysOfStep = 3;
const sharedValues = 6;

/**
 * Steps of runs of one shard, one after the other, decided and written by Redis itself. Each stands alone, as if it had been
 * sent by itself; of one that cannot be taken the answer is `failed` with the reason. The rules are those of `advance` and
 * `expire`, row by row; the contract suite compares both.
 *
 * KEYS: due, final, counters, outbox, meta; then for each step run, timeline, open
 * ARGV: how many values each step has, now or empty, the rules; then the values of each step (`runArguments`,
 * `checkpointArguments`). Times are milliseconds, absent values are empty.
 *
 * What the steps have in common is read once, and written once behind the last of them: functions that each step would make
 * anew, and commands that take many members, are most of what a step costs.
 *
 * Fields of the run's hash: s state; v version, x label where it is not the id, f category, u urgency, th threshold, to timeout, ia inactivity;
 * pa path; pm marks on it; b born; sa, ss, st start (occurred, server, trusted); q due; h* held end; l* last seen (ll only where it is not ly); ls last server time;
 * v* verdict; e* late end; nc counts nowhere; n recorded; p position; a anomalies.
 *
 * What follows from other fields is left out: ss is b, ls is ss, la is sa, st is 1, where the hash does not say otherwise.
 *
 * A timeline holds two elements for each checkpoint, its event key and its entry. Joined with `|` it says: digest (empty where
 * the event key begins with it), server time, occurred time (empty where it is the client's), applied, anomalies, state, opened,
 * deadline, elapsed, apdex, first letter of the kind, type, client's time, and as JSON what else the producer sent, if anything.
 * All times but the first are milliseconds from it.
 */
export const stepsScript = `
local K_DUE, K_FINAL, K_COUNT, K_OUT, K_META = unpack(KEYS, 1, ${sharedKeys})
local width = tonumber(ARGV[1])
local now = tonumber(ARGV[2])
if not now then
  local t = redis.call('TIME')
  now = tonumber(t[1]) * 1000 + math.floor(tonumber(t[2]) / 1000)
end
local lateGrace, missingGrace, retention, rejectSkew = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5]), ARGV[6] == '1'
local maxTimeline = 1000

-- Of the step under way: where its values begin, whose run it is about, the run as it is and as it was.
local base, K_RUN, K_TL, K_OPEN, identity, member, ownId
local r, old, before, startsAnew, leftPath
-- What it expired the run as before its own turn came.
local expiredAs, expiredState, expirySnapshot
-- What it counts, and where the run is to be found afterwards: a score, or false for nowhere.
local counts, gauges, due, final, open
-- The checkpoint that it is about.
local kind, category, ctype, label, sequence, outcome, message, reason, reasonLabel
local at, trusted, opened, applied, verdict, stepNotes, uncounted

local function num(n)
  if n == math.floor(n) then return string.format('%d', n) end
  return string.format('%.3f', n)
end
local nowText = num(now)

local function isFinal(s) return s ~= 'open' and s ~= 'orphan' end
local function some(text) if text == '' then return nil end return text end

local holdUntil
local function isHeld()
  holdUntil = holdUntil or tonumber(redis.call('HGET', K_META, 'hold_until_ms') or '0')
  return now <= holdUntil
end

-- What is not counted, and what comes to a run that is not, raises anomalies only.
local function count(key) if not (uncounted or r.nc) then counts[#counts + 1] = key end end
local function countAnomaly(name) counts[#counts + 1] = 'anomalies|' .. name end
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

local function conclude(state, v)
  leftPath = leavesPath(state)
  for _, field in ipairs(heldFields) do r[field] = nil end
  r.q = nil
  r.pm = nil
  r.s = state
  r.vr, r.va, r.vd, r.ve, r.vl, r.vx, r.vy, r.vm, r.vi =
    v.reason, num(v.at), nowText, v.ended and num(v.ended), v.elapsed and num(v.elapsed), v.apdex, v.type, v.message, v.discard
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

local function expand()
  if r.sa then r.ss, r.st = r.ss or r.b, r.st or '1' end
  r.ls = r.ls or r.ss or r.b
  if r.ly then r.la = r.la or r.sa end
end
local function follows(field, value)
  if field == 'ls' then return value == (r.ss or r.b) end
  if field == 'ss' then return value == r.b end
  if field == 'la' then return value == r.sa end
  return field == 'st' and value == '1'
end
local function flatten()
  local flat = {}
  local last = 0
  for field, value in pairs(r) do
    if not follows(field, value) then
      flat[last + 1] = field
      flat[last + 2] = value
      last = last + 2
    end
  end
  return flat
end
-- No value has control characters.
local function snapshot() return table.concat(flatten(), '\\31') end

local function expire()
  if not r or isFinal(r.s) or not r.q then return false end
  local due = tonumber(r.q)
  if now <= due or isHeld() then return false end
  local function notePath()
    if not leftPath then return end
    noteRun({ 'path_violation' })
    countAnomaly('path_violation')
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
    countAnomaly('missing_start')
  else
    conclude('orphaned', { reason = 'missing_start', at = due, type = r.ly or 'other' })
    expiredAs = 'orphaned'
    noteRun({ 'missing_start' })
    countAnomaly('missing_start')
  end
  expiredState = r.s
  return true
end

local function setDeadline()
  if r.sa then r.q = num(math.max(deadlineOf(), tonumber(r.ss) + lateGrace)) end
end

local function write(entryKey, entry, decided)
  local position = tonumber(r.p or '0')
  local plan = {}
  if expiredAs then plan[#plan + 1] = { expiredAs, '' } end
  if entry then plan[#plan + 1] = { 'checkpoint_recorded', entryKey .. '|' .. entry } end
  if entry and decided then plan[#plan + 1] = { decided, entryKey .. '|' .. entry } end
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
    for place = 1, #flat, 2 do
      local field, value = flat[place], flat[place + 1]
      if old[field] ~= value then
        changed[#changed + 1] = field
        changed[#changed + 1] = value
      end
    end
    for field in pairs(old) do if not r[field] or follows(field, r[field]) then gone[#gone + 1] = field end end
    if #changed > 0 then redis.call('HSET', K_RUN, unpack(changed)) end
    if #gone > 0 then redis.call('HDEL', K_RUN, unpack(gone)) end
  end
  if entry then redis.call('RPUSH', K_TL, entryKey, entry) end

  if isFinal(r.s) then
    due, open, final = false, false, r.vd
    -- A minute more than it is known: until then the step itself tells that it had its time.
    local ttl = num(math.max(0, tonumber(r.vd) + retention - now) + 60000)
    redis.call('PEXPIRE', K_RUN, ttl)
    redis.call('PEXPIRE', K_TL, ttl)
  else
    due = r.q
    if not old or old.sa ~= r.sa or old.s ~= r.s then open = r.sa or r.b end
    if startsAnew or (before and isFinal(before)) or expiredAs then
      final = false
      redis.call('PERSIST', K_RUN)
      redis.call('PERSIST', K_TL)
    end
  end
  if before ~= r.s then
    if before == 'open' or before == 'orphan' then gauges['open|' .. before] = -1 end
    if r.s == 'open' or r.s == 'orphan' then gauges['open|' .. r.s] = 1 end
  end

  local text = table.concat(flat, '\\31')
  for index, record in ipairs(plan) do
    local run = text
    if index == 1 and expirySnapshot and r.s ~= expiredState then run = expirySnapshot end
    redis.call('XADD', K_OUT, '*', 'i', identity, 'k', record[1], 'p', num(position + index - 1), 't', nowText, 'r', run, 'e', record[2])
  end
  return #plan, text
end

local function newRecord(kept)
  local inactivity, path = some(ARGV[base + 25]), some(ARGV[base + 27])
  local experience = ARGV[base + 20]
  r = { s = 'orphan', v = ARGV[base + 19], x = experience ~= ownId and experience or nil, f = ARGV[base + 21], u = ARGV[base + 22],
    th = ARGV[base + 23], to = ARGV[base + 24], ia = inactivity, pa = path,
    b = kept and kept.b or nowText, n = kept and kept.n or '0', p = kept and kept.p or '0', a = kept and kept.a or nil, ls = nowText }
end

local function seen()
  r.ls = nowText
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

local function start()
  seen()
  r.s = 'open'
  r.sa, r.ss, r.st = num(at), nowText, trusted and '1' or '0'
  setDeadline()
  count('checkpoint|' .. series() .. label .. '|start')
  applied = true
  local e = heldEnd()
  if e then verdict = ended(e) end
end

local function holdEnd(untilMs)
  seen()
  r.q = num(untilMs)
  r.ho, r.ha, r.hs, r.ht, r.hy, r.hl, r.hm, r.hr, r.hd =
    outcome, num(at), nowText, trusted and '1' or '0', ctype, label, some(message), some(reason), some(reasonLabel)
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
    if kind == 'start' then start()
    elseif kind == 'intermediate' then
      intermediate()
      r.q = num(now + tonumber(r.to))
    else holdEnd(now + missingGrace) end
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
    if kind == 'start' then start()
    elseif kind == 'intermediate' then intermediate()
    elseif r.ho then repeated(r.ho)
    else holdEnd(math.min(tonumber(r.q), now + missingGrace)) end
  elseif r.s == 'timed_out' then
    if kind == 'start' then note(stepNotes, 'start_after_terminal')
    elseif kind == 'intermediate' then note(stepNotes, 'checkpoint_after_timeout')
    elseif r.ea then note(stepNotes, 'duplicate_end')
    else
      r.ea, r.eo, r.el = num(at), outcome, num(math.max(0, at - tonumber(r.va)))
      count('late_ends|' .. xlabel() .. '|' .. outcome)
      note(stepNotes, 'late_end')
    end
  elseif r.s == 'discarded' then note(stepNotes, 'checkpoint_after_discard')
  elseif kind == 'start' then note(stepNotes, 'start_after_terminal')
  elseif kind == 'intermediate' then note(stepNotes, 'checkpoint_after_end')
  else repeated(r.s == 'failed' and 'error' or 'success') end
end

local function expireOnly()
  if not r or isFinal(r.s) then
    -- The server lost the run, or an earlier step broke off, and its place in the index was kept.
    due = false
    return false
  end
  if not expire() then return false end
  local outboxed, text = write(nil, nil, nil)
  return { 'expired', text, '', '', '', outboxed }
end

local function startsWith(text, part) return string.sub(text, 1, #part) == part end

local function answerAgain(eventKey, entry, digest)
  local changed = expire()
  local first = string.match(entry, '^([^|]*)|')
  if first == '' and startsWith(eventKey, digest) then first = digest end
  local reused = first ~= digest and 'event_id_reused' or ''
  if reused ~= '' then countAnomaly('event_id_reused') end
  local outboxed, text = 0, nil
  if changed then outboxed, text = write(nil, nil, nil) else text = snapshot() end
  return { 'duplicate', text, eventKey, entry, reused, outboxed }
end

local function apply()
  local eventKey, digest, given, more = ARGV[base + 4], ARGV[base + 5], ARGV[base + 18], ARGV[base + 26]
  local client, sent, ulidTime = tonumber(ARGV[base + 10]), tonumber(ARGV[base + 11]), tonumber(ARGV[base + 12])
  kind, category, ctype, label = ARGV[base + 6], ARGV[base + 7], ARGV[base + 8], ARGV[base + 9]
  sequence, outcome = ARGV[base + 13], ARGV[base + 14]
  message, reason, reasonLabel = ARGV[base + 15], ARGV[base + 16], ARGV[base + 17]
  applied, verdict, stepNotes = false, nil, {}

  local place = r and redis.call('LPOS', K_TL, eventKey)
  if place then return answerAgain(eventKey, redis.call('LINDEX', K_TL, place + 1), digest) end

  local own = {}
  for name in string.gmatch(given, '[^,]+') do note(own, name) end
  at = client
  if sent and math.abs(now - sent) > 10000 then
    at = at + now - sent
    note(own, 'clock_corrected')
  end
  trusted = at >= now - 86400000 and at <= now + 60000
  if not trusted then
    if rejectSkew then return { 'rejected' } end
    at = now
    note(own, 'clock_skew')
  end
  if ulidTime and math.abs(ulidTime - at) > 86400000 then note(own, 'ulid_time_mismatch') end

  expire()
  opened = r == nil or r.s == 'orphaned'
  if expiredAs == 'orphaned' then expirySnapshot = snapshot() end
  local fits = true
  if r and tonumber(r.n) >= maxTimeline then
    fits = kind == 'end' and (opened or r.s == 'open' or (r.s == 'orphan' and not r.ho) or (r.s == 'timed_out' and not r.ea))
  end
  local hasVerdict = r and isFinal(r.s) and not opened
  uncounted = ARGV[base + 3] == 'record'
  if fits then
    judge()
    if uncounted and not hasVerdict then r.nc = '1' end
  else note(stepNotes, 'timeline_full') end

  for _, name in ipairs(stepNotes) do note(own, name) end
  noteRun(own)
  for _, name in ipairs(own) do countAnomaly(name) end
  local entry = table.concat({ startsWith(eventKey, digest) and '' or digest, nowText, at == client and '' or num(at - now),
    applied and '1' or '0', table.concat(own, ','), r.s, opened and '1' or '0', r.s == 'open' and num(deadlineOf() - now) or '',
    r.vl or '', r.vx or '', string.sub(kind, 1, 1), ctype, num(client - now), more }, '|')
  if fits then r.n = num(tonumber(r.n) + 1) end
  local outboxed, text = write(eventKey, fits and entry or nil, verdict)
  return { applied and 'applied' or 'recorded', text, eventKey, entry, '', outboxed }
end

local function step(index)
  local firstKey = ${sharedKeys} + (index - 1) * ${keysOfStep}
  K_RUN, K_TL, K_OPEN = KEYS[firstKey + 1], KEYS[firstKey + 2], KEYS[firstKey + 3]
  base = ${sharedValues} + (index - 1) * width
  identity, member = ARGV[base + 1], ARGV[base + 2]
  ownId = string.match(identity, '^[^|]*|([^|]*)|')
  r, old, before, startsAnew, leftPath = nil, nil, nil, false, false
  expiredAs, expiredState, expirySnapshot, uncounted = nil, nil, nil, false
  counts, gauges, due, final, open = {}, {}, nil, nil, nil

  local stored = redis.call('HGETALL', K_RUN)
  if #stored > 0 then
    r, old = {}, {}
    for place = 1, #stored, 2 do
      local field, value = stored[place], stored[place + 1]
      r[field] = value
      old[field] = value
    end
    expand()
    before = r.s
    if isFinal(before) and r.vd and now - tonumber(r.vd) > retention then startsAnew, r, before = true, nil, nil end
  end
  if ARGV[base + 3] == 'expire' then return expireOnly() end
  return apply()
end

-- Where each run is to be found when all steps are done, by index, and how much each counter rises.
local places, totals = { [K_DUE] = {}, [K_FINAL] = {} }, {}
local function move(key, name, score)
  if score == nil then return end
  places[key] = places[key] or {}
  places[key][name] = score
end
local function raise(key, by) totals[key] = (totals[key] or 0) + by end

local answers = {}
for index = 1, (#KEYS - ${sharedKeys}) / ${keysOfStep} do
  local taken, answer = pcall(step, index)
  if taken then
    answers[index] = answer
    move(K_DUE, identity, due)
    move(K_FINAL, identity, final)
    move(K_OPEN, member, open)
    for _, key in ipairs(counts) do raise(key, 1) end
    for key, by in pairs(gauges) do raise(key, by) end
  else answers[index] = { 'failed', type(answer) == 'table' and answer.err or tostring(answer) } end
end
for key, scores in pairs(places) do
  local added, removed = {}, {}
  for name, score in pairs(scores) do
    if score then
      added[#added + 1] = score
      added[#added + 1] = name
    else removed[#removed + 1] = name end
  end
  if #added > 0 then redis.call('ZADD', key, unpack(added)) end
  if #removed > 0 then redis.call('ZREM', key, unpack(removed)) end
end
for key, by in pairs(totals) do
  if by ~= 0 then redis.call('HINCRBY', K_COUNT, key, by) end
end
return answers
`;
