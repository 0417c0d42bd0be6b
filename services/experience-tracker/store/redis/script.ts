import { divider } from "./codec.js";

/** Steps in one call of the script: some milliseconds in which the server does nothing else. */
export const maxSteps = 100;

const sharedKeys = 5;
const keysOfStep = 3;
const sharedValues = 5;
const valuesOfStep = 2;

/** A pattern that takes a text apart into so many parts; all but the last one are without the divider. */
const parts = (count: number, by: string): string => `'^${`([^${by}]*)${by}`.repeat(count - 1)}(.*)$'`;

/**
 * Steps of runs of one shard, one after the other, decided and written by Redis itself. Each stands alone, as if it had been
 * sent by itself; of one that cannot be taken the answer is `failed` with the reason. The rules are those of `advance` and
 * `expire`, row by row; the contract suite compares both.
 *
 * KEYS: due, final, counters, outbox, meta; then for each step run, timeline, open
 * ARGV: now or empty, the rules; then for each step the run's identity and what to do (`checkpointArgument`, or `expire`). Times
 * are milliseconds, absent values are empty.
 *
 * What the steps have in common is read once, and written once behind the last of them: all runs, the places where they are
 * found, the counters. Functions that each step would make anew, commands, and values that pass between Lua and the server
 * are most of what a step costs; so a run, a record and what is told of a checkpoint are one text each.
 *
 * A run's text has these parts, divided by the character 30, in groups by 31:
 * s state; terms (v version, x label where it is not the id, f category, u urgency, th threshold, to timeout, ia inactivity, pa path);
 * b born; sa, ss, st start (occurred, server, trusted); q due; ls last server time; ly, ll, lc, lq, la last seen (type, label
 * where it is not the type, category, sequence, time); n recorded; p position; a anomalies; pm marks on the path;
 * uncounted (1 where it counts nowhere);
 * held end (outcome, time, server time, trusted, type, label, message, reason, its label);
 * verdict (decided, reason, time, end, elapsed, apdex, type, message, discard reason); late (time, outcome, lateness).
 * What follows from other parts is empty: ss is b, ls is ss, la is sa, st is 1, where nothing else is said.
 *
 * A timeline holds two elements for each checkpoint, its event key and its entry. Joined with `|` it says: digest (empty where
 * the event key begins with it), server time, occurred time (empty where it is the client's), applied, anomalies, state, opened,
 * deadline, elapsed, apdex, first letter of the kind, type, client's time, and as JSON what else the producer sent, if anything.
 * All times but the first are milliseconds from it.
 *
 * A record of the outbox has the run's identity (i) and, divided by the character 29 (r), kind, position, time, the run after
 * the step, event key and entry (both empty where no checkpoint is meant).
 */
export const stepsScript = `
local K_DUE, K_FINAL, K_COUNT, K_OUT, K_META = unpack(KEYS, 1, ${sharedKeys})
local now = tonumber(ARGV[1])
if not now then
  local t = redis.call('TIME')
  now = tonumber(t[1]) * 1000 + math.floor(tonumber(t[2]) / 1000)
end
local nowText = string.format('%d', now)
local lateGrace, missingGrace, retention, rejectSkew = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]), ARGV[5] == '1'
local maxTimeline = 1000
local stepsGiven = (#KEYS - ${sharedKeys}) / ${keysOfStep}

-- The runs as they are now, by key, and those of them that are still to be written.
local texts, unwritten = {}, {}

-- Of the step under way: whose run it is about, the run as it is, and its state as it was.
local K_RUN, K_TL, K_OPEN, identity, ownId, member
local r, before, openedBefore, startsAnew, leftPath
-- What it expired the run as before its own turn came.
local expiredAs, expiredState, expirySnapshot
-- What it counts, and where the run is to be found afterwards: a score, or false for nowhere.
local counts, due, final, open
-- The checkpoint that it is about.
local kind, category, ctype, label, sequence, outcome, message, reason, reasonLabel, terms
local at, trusted, opened, applied, verdict, notes, uncounted

local function num(n)
  if n % 1 == 0 then return string.format('%d', n) end
  return string.format('%.3f', n)
end

local function isFinal(s) return s ~= 'open' and s ~= 'orphan' end

local function parse(text)
  local r = {}
  r.s, r.terms, r.b, r.sa, r.ss, r.st, r.q, r.ls, r.ly, r.ll, r.lc, r.lq, r.la, r.n, r.p, r.a, r.pm, r.uncounted, r.held,
    r.verdict, r.late = string.match(text, ${parts(21, divider.part)})
  if not r.s then error('damaged') end
  if r.sa ~= '' then
    if r.ss == '' then r.ss = r.b end
    if r.st == '' then r.st = '1' end
    if r.la == '' and r.ly ~= '' then r.la = r.sa end
  end
  if r.ls == '' then r.ls = r.ss ~= '' and r.ss or r.b end
  return r
end
local function parseTerms()
  r.v, r.x, r.f, r.u, r.th, r.to, r.ia, r.pa = string.match(r.terms, ${parts(8, divider.value)})
  if r.x == '' then r.x = ownId end
end
local function snapshot()
  local server = r.ss ~= '' and r.ss or r.b
  return table.concat({ r.s, r.terms, r.b, r.sa, r.ss ~= r.b and r.ss or '', r.st ~= '1' and r.st or '', r.q,
    r.ls ~= server and r.ls or '', r.ly, r.ll, r.lc, r.lq, r.la ~= r.sa and r.la or '', r.n, r.p, r.a, r.pm,
    r.uncounted, r.held, r.verdict, r.late }, '${divider.part}')
end

local function heldEnd()
  if r.held == '' then return nil end
  local e = {}
  e.outcome, e.at, e.server, e.trusted, e.type, e.label, e.message, e.reason, e.reasonLabel =
    string.match(r.held, ${parts(9, divider.value)})
  e.at, e.server, e.trusted = tonumber(e.at), tonumber(e.server), e.trusted == '1'
  return e
end
local function thisEnd()
  return { outcome = outcome, at = at, server = now, trusted = trusted, type = ctype, label = label,
    message = message, reason = reason, reasonLabel = reasonLabel }
end
local function parseVerdict()
  local v = {}
  v.decided, v.reason, v.at, v.ended, v.elapsed, v.apdex = string.match(r.verdict, ${parts(9, divider.value)})
  return v
end

local holdUntil
local function isHeld()
  holdUntil = holdUntil or tonumber(redis.call('HGET', K_META, 'hold_until_ms') or '0')
  return now <= holdUntil
end

-- What is not counted, and what comes to a run that is not, raises anomalies only.
local function count(key) if not uncounted and r.uncounted == '' then counts[#counts + 1] = key end end
local function countAnomaly(name) counts[#counts + 1] = 'anomalies|' .. name end
local function countIn(family, of, value) count(family .. '|' .. r.x .. '|' .. r.f .. '|' .. r.u .. '|' .. of .. '|' .. value) end

local function note(list, name)
  for _, known in ipairs(list) do if known == name then return end end
  list[#list + 1] = name
end
local function noteRun(names)
  if #names == 0 then return end
  local list = {}
  for name in string.gmatch(r.a, '[^,]+') do list[#list + 1] = name end
  for _, name in ipairs(names) do note(list, name) end
  r.a = table.concat(list, ',')
end

local maxPathMarks = 100
local function pathSteps()
  local steps = {}
  for option, name, gap in string.gmatch(r.pa, '(%??)([^,~?]+)~?([%d.]*)') do
    steps[#steps + 1] = { category = name, optional = option == '?', gap = tonumber(gap) }
  end
  return steps
end
local function mark()
  if r.pa == '' or category == '' then return end
  local marks = 0
  for _ in string.gmatch(r.pm, '@') do marks = marks + 1 end
  if marks >= maxPathMarks then return end
  for index, known in ipairs(pathSteps()) do
    if known.category == category then
      r.pm = (r.pm ~= '' and r.pm .. ',' or '') .. num(index - 1) .. '@' .. num(at)
      return
    end
  end
end
local function leavesPath(state)
  if r.pa == '' or state == 'discarded' or state == 'orphaned' then return false end
  local path, marks = pathSteps(), {}
  local function required(from, to)
    for index = from, to do if not path[index].optional then return true end end
    return false
  end
  for step, at in string.gmatch(r.pm, '(%d+)@([%d.-]+)') do
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
  r.s, r.held, r.q, r.pm = state, '', '', ''
  r.elapsed, r.apdex = v.elapsed and num(v.elapsed) or '', v.apdex or ''
  r.verdict = table.concat({ nowText, v.reason or '', num(v.at), v.ended and num(v.ended) or '', r.elapsed, r.apdex,
    v.type, v.message or '', v.discard or '' }, '${divider.value}')
end

local function decide(e, elapsed, reasonOfFailure)
  local v = { at = e.at, ended = e.at, elapsed = elapsed, type = e.type, message = e.message, discard = e.reason }
  if e.outcome == 'discarded' then
    count('discards|' .. r.x .. '|' .. (e.reasonLabel ~= '' and e.reasonLabel or 'unspecified'))
    conclude('discarded', v)
    return 'discarded'
  end
  countIn('checkpoint', e.label, 'end')
  if e.outcome == 'error' then
    countIn('total', e.label, 'true')
    v.reason = reasonOfFailure
    conclude('failed', v)
    return 'failed'
  end
  countIn('total', e.label, 'false')
  if elapsed then
    local good = elapsed <= tonumber(r.th)
    v.apdex = good and '1' or '0'
    countIn('apdex', e.label, good and 'true' or 'false')
  end
  conclude('succeeded', v)
  return 'completed'
end

local function deadlineOf()
  local deadline = tonumber(r.sa) + tonumber(r.to)
  if r.ia ~= '' then deadline = math.min(deadline, tonumber(r.ls) + tonumber(r.ia)) end
  return deadline
end

local function expire()
  if not r or isFinal(r.s) or r.q == '' then return false end
  local due = tonumber(r.q)
  if now <= due or isHeld() then return false end
  local function noteExpiry(name)
    noteRun({ name })
    countAnomaly(name)
  end
  if r.s == 'open' then
    local deadline = deadlineOf()
    local started = tonumber(r.sa)
    local reason = deadline >= started + tonumber(r.to) and 'timeout' or 'inactivity'
    local lastType = r.ly ~= '' and r.ly or 'other'
    countIn('total', r.ll ~= '' and r.ll or lastType, 'true')
    count('timeouts|' .. r.x .. '|' .. reason)
    conclude('timed_out', { reason = reason, at = deadline, elapsed = math.max(0, deadline - started), type = lastType })
    expiredAs = 'timed_out'
    if leftPath then noteExpiry('path_violation') end
  elseif r.held ~= '' then
    expiredAs = decide(heldEnd(), nil, 'missing_start')
    if leftPath then noteExpiry('path_violation') end
    noteExpiry('missing_start')
  else
    conclude('orphaned', { reason = 'missing_start', at = due, type = r.ly ~= '' and r.ly or 'other' })
    expiredAs = 'orphaned'
    noteExpiry('missing_start')
  end
  expiredState = r.s
  return true
end

local function setDeadline()
  if r.sa ~= '' then r.q = num(math.max(deadlineOf(), tonumber(r.ss) + lateGrace)) end
end

local function outbox(kindOf, position, run, eventKey, entry)
  redis.call('XADD', K_OUT, '*', 'i', identity,
    'r', table.concat({ kindOf, position, nowText, run, eventKey, entry }, '${divider.record}'))
end

local function write(eventKey, entry)
  local position, decided = tonumber(r.p), entry and verdict
  local records = (expiredAs and 1 or 0) + (entry and 1 or 0) + (decided and 1 or 0)
  r.p = position + records
  local text = snapshot()
  texts[K_RUN] = text

  if startsAnew then redis.call('DEL', K_TL) end
  if entry then redis.call('RPUSH', K_TL, eventKey, entry) end
  if isFinal(r.s) then
    local decidedAt = string.match(r.verdict, '^%d+')
    due, open, final = false, false, decidedAt
    -- A minute more than it is known: until then the step itself tells that it had its time.
    local ttl = num(math.max(0, tonumber(decidedAt) + retention - now) + 60000)
    redis.call('SET', K_RUN, text, 'PX', ttl)
    unwritten[K_RUN] = nil
    redis.call('PEXPIRE', K_TL, ttl)
  else
    unwritten[K_RUN] = text
    due = r.q
    if before ~= r.s or openedBefore ~= r.sa then open = r.sa ~= '' and r.sa or r.b end
    if startsAnew or (before and isFinal(before)) or expiredAs then
      final = false
      redis.call('PERSIST', K_TL)
    end
  end

  if expiredAs then
    outbox(expiredAs, position, expirySnapshot and r.s ~= expiredState and expirySnapshot or text, '', '')
    position = position + 1
  end
  if entry then outbox('checkpoint_recorded', position, text, eventKey, entry) end
  if decided then outbox(decided, position + 1, text, eventKey, entry) end
  return records, text
end

local function newRecord(kept)
  r = { s = 'orphan', terms = terms, b = kept and kept.b or nowText, sa = '', ss = '', st = '', q = '', ls = nowText,
    ly = '', ll = '', lc = '', lq = '', la = '', n = kept and kept.n or 0, p = kept and kept.p or 0, a = kept and kept.a or '',
    pm = '', uncounted = '', held = '', verdict = '', late = '' }
  parseTerms()
end

local function seen()
  r.ls = nowText
  mark()
  local later = true
  if r.la ~= '' then
    local last = tonumber(r.la)
    if at ~= last then later = at > last
    else later = ctype ~= r.ly or (tonumber(sequence) or 0) >= (tonumber(r.lq) or 0) end
  end
  if later then r.ly, r.ll, r.lc, r.lq, r.la = ctype, label ~= ctype and label or '', category, sequence, num(at) end
end

local function elapsedTo(e)
  if r.sa == '' then return nil, false end
  local byOccurred = e.at - tonumber(r.sa)
  if r.st == '1' and e.trusted and byOccurred >= 0 then return byOccurred, false end
  local byServer = e.server - tonumber(r.ss)
  if byServer >= 0 then return byServer, true end
  return nil, true
end

local function ended(e)
  local elapsed, skewed = elapsedTo(e)
  if skewed then note(notes, 'clock_skew') end
  verdict = decide(e, elapsed, 'error')
  if leftPath then note(notes, 'path_violation') end
end

local function start()
  seen()
  r.s = 'open'
  r.sa, r.ss, r.st = num(at), nowText, trusted and '1' or '0'
  setDeadline()
  countIn('checkpoint', label, 'start')
  applied = true
  local e = heldEnd()
  if e then ended(e) end
end

local function holdEnd(untilMs)
  seen()
  r.q = num(untilMs)
  r.held = table.concat({ outcome, num(at), nowText, trusted and '1' or '0', ctype, label, message, reason, reasonLabel },
    '${divider.value}')
  applied = true
end

local function intermediate()
  seen()
  countIn('checkpoint', label, 'intermediate')
  applied = true
end

local function repeated(first) note(notes, first == outcome and 'duplicate_end' or 'conflicting_end') end

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
      note(notes, 'duplicate_start')
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
      ended(thisEnd())
    end
  elseif r.s == 'orphan' then
    if kind == 'start' then start()
    elseif kind == 'intermediate' then intermediate()
    elseif r.held ~= '' then repeated(heldEnd().outcome)
    else holdEnd(math.min(tonumber(r.q), now + missingGrace)) end
  elseif r.s == 'timed_out' then
    if kind == 'start' then note(notes, 'start_after_terminal')
    elseif kind == 'intermediate' then note(notes, 'checkpoint_after_timeout')
    elseif r.late ~= '' then note(notes, 'duplicate_end')
    else
      local lateness = math.max(0, at - tonumber(parseVerdict().at))
      r.late = table.concat({ num(at), outcome, num(lateness) }, '${divider.value}')
      count('late_ends|' .. r.x .. '|' .. outcome)
      note(notes, 'late_end')
    end
  elseif r.s == 'discarded' then note(notes, 'checkpoint_after_discard')
  elseif kind == 'start' then note(notes, 'start_after_terminal')
  elseif kind == 'intermediate' then note(notes, 'checkpoint_after_end')
  else repeated(r.s == 'failed' and 'error' or 'success') end
end

local function expireOnly()
  if not r or isFinal(r.s) then
    -- The server lost the run, or an earlier step broke off, and its place in the index was kept.
    due = false
    return false
  end
  if not expire() then return false end
  local _, text = write()
  return { 'expired', text }
end

local function startsWith(text, part) return string.sub(text, 1, #part) == part end

local function answerAgain(eventKey, entry, digest)
  local changed = expire()
  local first = string.match(entry, '^([^|]*)|')
  if first == '' and startsWith(eventKey, digest) then first = digest end
  local result = 'duplicate'
  if first ~= digest then
    result = 'reused'
    countAnomaly('event_id_reused')
  end
  if not changed then return { result, snapshot(), entry, 0 } end
  local records, text = write()
  return { result, text, entry, records }
end

local function fits()
  if not r or tonumber(r.n) < maxTimeline then return true end
  return kind == 'end' and (opened or r.s == 'open' or (r.s == 'orphan' and r.held == '') or (r.s == 'timed_out' and r.late == ''))
end

local function apply(values)
  local eventKey, digest, client, sent, ulidTime, isUncounted, given, more
  eventKey, digest, kind, category, ctype, label, client, sent, ulidTime, sequence, outcome, message, reason, reasonLabel, isUncounted,
    given, terms, more = string.match(values, ${parts(18, divider.part)})
  client, sent, ulidTime = tonumber(client), tonumber(sent), tonumber(ulidTime)
  applied, verdict, notes = false, nil, {}

  local place = r and redis.call('LPOS', K_TL, eventKey)
  if place then return answerAgain(eventKey, redis.call('LINDEX', K_TL, place + 1), digest) end

  if given ~= '' then for name in string.gmatch(given, '[^,]+') do note(notes, name) end end
  at = client
  if sent and math.abs(now - sent) > 10000 then
    at = at + now - sent
    note(notes, 'clock_corrected')
  end
  trusted = at >= now - 86400000 and at <= now + 60000
  if not trusted then
    if rejectSkew then return { 'rejected' } end
    at = now
    note(notes, 'clock_skew')
  end
  if ulidTime and math.abs(ulidTime - at) > 86400000 then note(notes, 'ulid_time_mismatch') end

  expire()
  opened = r == nil or r.s == 'orphaned'
  if expiredAs == 'orphaned' then expirySnapshot = snapshot() end
  local isRecorded = fits()
  local hasVerdict = r and isFinal(r.s) and not opened
  uncounted = isUncounted == '1'
  if isRecorded then
    judge()
    if uncounted and not hasVerdict then r.uncounted = '1' end
  else note(notes, 'timeline_full') end

  noteRun(notes)
  for _, name in ipairs(notes) do countAnomaly(name) end
  if r.verdict ~= '' and not r.elapsed then
    local v = parseVerdict()
    r.elapsed, r.apdex = v.elapsed, v.apdex
  end
  local entry = table.concat({ startsWith(eventKey, digest) and '' or digest, nowText, at == client and '' or num(at - now),
    applied and '1' or '0', table.concat(notes, ','), r.s, opened and '1' or '0', r.s == 'open' and num(deadlineOf() - now) or '',
    r.elapsed or '', r.apdex or '', string.sub(kind, 1, 1), ctype, num(client - now), more }, '|')
  if isRecorded then r.n = r.n + 1 end
  local records, text = write(eventKey, isRecorded and entry or nil)
  return { applied and 'applied' or 'recorded', text, entry, records }
end

local function step(index)
  local firstKey = ${sharedKeys} + (index - 1) * ${keysOfStep}
  local firstValue = ${sharedValues} + (index - 1) * ${valuesOfStep}
  K_RUN, K_TL, K_OPEN = KEYS[firstKey + 1], KEYS[firstKey + 2], KEYS[firstKey + 3]
  identity = ARGV[firstValue + 1]
  ownId, member = string.match(identity, '^[^|]*|([^|]*)|(.*)$')
  r, before, openedBefore, startsAnew, leftPath = nil, nil, nil, false, false
  expiredAs, expiredState, expirySnapshot, uncounted = nil, nil, nil, false
  counts, due, final, open = {}, nil, nil, nil

  local text = texts[K_RUN]
  if text then
    r = parse(text)
    parseTerms()
    before, openedBefore = r.s, r.sa
    if isFinal(before) and now - tonumber(string.match(r.verdict, '^%d+')) > retention then
      startsAnew, r, before = true, nil, nil
    end
  end
  local values = ARGV[firstValue + 2]
  if values == 'expire' then return expireOnly() end
  return apply(values)
end

-- Where each run is to be found when all steps are done, by index, and how much each counter rises.
local places, totals = { [K_DUE] = {}, [K_FINAL] = {} }, {}
local function move(key, name, score)
  if score == nil then return end
  places[key] = places[key] or {}
  places[key][name] = score
end
local function raise(key, by) totals[key] = (totals[key] or 0) + by end
local function change(state, by) if state == 'open' or state == 'orphan' then raise('open|' .. state, by) end end

local runKeys = {}
for index = 1, stepsGiven do runKeys[index] = KEYS[${sharedKeys} + (index - 1) * ${keysOfStep} + 1] end
for index, text in ipairs(redis.call('MGET', unpack(runKeys))) do texts[runKeys[index]] = text end

local answers = {}
for index = 1, stepsGiven do
  local taken, answer = pcall(step, index)
  if taken then
    answers[index] = answer
    move(K_DUE, identity, due)
    move(K_FINAL, identity, final)
    move(K_OPEN, member, open)
    for _, key in ipairs(counts) do raise(key, 1) end
    if r and before ~= r.s then
      change(before, -1)
      change(r.s, 1)
    end
  else answers[index] = { 'failed', type(answer) == 'table' and answer.err or tostring(answer) } end
end
local opens = {}
for key, text in pairs(unwritten) do
  opens[#opens + 1] = key
  opens[#opens + 1] = text
end
if #opens > 0 then redis.call('MSET', unpack(opens)) end
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
