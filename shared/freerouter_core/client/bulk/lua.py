"""The scripts of `RedisJob`. KEYS[1] is the job's prefix; every other key begins with it.

- `counts`: rows, done, failed, complete, unfinished, turn, tasks
- `hashes`: task by hash; `inputs`, `states`, `tries`, `trails`, `records`, `asks`: by task
- `rows`: task by number; `ids`: number by id; `names`: id by number; `turns`: turn by number;
  `data`: by number
- `open`: tasks that may be asked, by number; `due`: those that may be later, by time
- `unfinished`: tasks that have not ended; `ended`: row numbers by turn; `leased:W`: of a worker
"""

from __future__ import annotations

_COMMON = """
local P = KEYS[1]
local C = P .. 'counts'
local function count(name, by) return redis.call('HINCRBY', C, name, by) end
local function get(hash, key) return redis.call('HGET', P .. hash, key) end
local function set(hash, key, value) redis.call('HSET', P .. hash, key, value) end
local function counts()
  local values = {}
  for _, name in ipairs({'rows', 'done', 'failed', 'complete', 'unfinished'}) do
    values[name] = tonumber(redis.call('HGET', C, name) or '0')
  end
  return values
end
local function asks(task)
  local numbers = redis.call('SMEMBERS', P .. 'asks:' .. task)
  table.sort(numbers, function(one, other) return tonumber(one) < tonumber(other) end)
  return numbers
end
local function end_rows(task, state)
  for _, number in ipairs(asks(task)) do
    if not get('turns', number) then
      local turn = count('turn', 1)
      set('turns', number, turn)
      redis.call('ZADD', P .. 'ended', turn, number)
      count(state, 1)
    end
  end
end
"""
ADD = (
    _COMMON
    + """
local merge, before = ARGV[1] == 'merge', tonumber(ARGV[2])
local complete = counts()['complete'] > 0
local found = {}
for i = 3, #ARGV, 6 do
  local number, id, hash = ARGV[i], ARGV[i + 1], ARGV[i + 2]
  local place = number
  if id ~= '' then place = get('ids', id) end
  if place and get('rows', place) then
    local task = get('rows', place)
    local name = get('names', place) or ''
    local same = get('hashes', hash) == task and name == id
    local last = math.max(tonumber(place), tonumber(number))
    if id ~= '' and not merge and place ~= number and last >= before then
      return cjson.encode({twice = id})
    end
    if not same and not merge then
      return cjson.encode({changed = id ~= '' and id or number})
    end
    found[i] = {place, task, same}
  elseif not merge and (complete or tonumber(number) < before) then
    return cjson.encode({new = id ~= '' and id or number})
  end
end
for i = 3, #ARGV, 6 do
  local number, id, hash, input, problem, data = unpack(ARGV, i, i + 5)
  local old = found[i]
  if not (old and old[3]) then
    if old then
      number = old[1]
      redis.call('SREM', P .. 'asks:' .. old[2], number)
      local state = get('states', old[2])
      if get('turns', number) then
        count(state, -1)
        redis.call('HDEL', P .. 'turns', number)
        redis.call('ZREM', P .. 'ended', number)
      end
      count('rows', -1)
      if state == 'open' and redis.call('SCARD', P .. 'asks:' .. old[2]) == 0 then
        redis.call('ZREM', P .. 'open', old[2])
        redis.call('ZREM', P .. 'due', old[2])
        redis.call('ZREM', P .. 'unfinished', old[2])
        redis.call('HDEL', P .. 'hashes', get('hash', old[2]))
        count('unfinished', -1)
      end
    elseif get('rows', number) then
      number = redis.call('HLEN', P .. 'rows')
    end
    local task = get('hashes', hash)
    if not task then
      task = count('tasks', 1)
      set('hashes', hash, task)
      set('hash', task, hash)
      set('inputs', task, input)
      if problem ~= '' then
        set('states', task, 'failed')
        set('records', task, cjson.encode({error = problem, error_type = 'BadRequest'}))
      else
        set('states', task, 'open')
        redis.call('ZADD', P .. 'open', task, task)
        redis.call('ZADD', P .. 'unfinished', task, task)
        count('unfinished', 1)
      end
    end
    set('rows', number, task)
    if data ~= '' then set('data', number, data) else redis.call('HDEL', P .. 'data', number) end
    if id ~= '' then
      set('ids', id, number)
      set('names', number, id)
    end
    redis.call('SADD', P .. 'asks:' .. task, number)
    count('rows', 1)
    local state = get('states', task)
    if state == 'done' or state == 'failed' then end_rows(task, state) end
  end
end
return cjson.encode(counts())
"""
)
CLOSE_INPUT = (
    _COMMON
    + """
local before = counts()['rows']
local rows = tonumber(ARGV[1])
if rows > before or (rows < before and ARGV[2] == 'refuse') then
  return cjson.encode({before = before})
end
redis.call('HSET', C, 'complete', 1)
return cjson.encode(counts())
"""
)
EXCHANGE = (
    _COMMON
    + """
local worker, now, tasks, after, rows, given = unpack(ARGV, 1, 6)
local part, parts, fresh = tonumber(ARGV[7]), tonumber(ARGV[8]), ARGV[9] == '1'
local leased = P .. 'leased:' .. worker
for i = 10, #ARGV, 6 do
  local task, state, record, trail, tries, due = unpack(ARGV, i, i + 5)
  local before = get('states', task)
  redis.call('SREM', leased, task)
  if before == 'open' or before == 'leased' then
    set('states', task, state)
    set('records', task, record)
    set('trails', task, trail)
    set('tries', task, tries)
    if state == 'open' then
      redis.call('ZADD', P .. 'due', due, task)
    else
      redis.call('ZREM', P .. 'open', task)
      redis.call('ZREM', P .. 'due', task)
      redis.call('ZREM', P .. 'unfinished', task)
      count('unfinished', -1)
      end_rows(task, state)
    end
  end
end
local claimed = {}
local function claim(from, candidates)
  for _, task in ipairs(candidates) do
    if #claimed < tonumber(tasks) and tonumber(task) % parts == part then
      redis.call('ZREM', P .. from, task)
      set('states', task, 'leased')
      redis.call('SADD', leased, task)
      claimed[#claimed + 1] = {
        task, get('inputs', task), get('tries', task) or 0, get('trails', task) or ''
      }
    end
  end
end
local function claim_due()
  claim('due', redis.call('ZRANGEBYSCORE', P .. 'due', '-inf', now, 'LIMIT', 0, 100 * parts))
end
if tonumber(tasks) > 0 then
  if not fresh then claim_due() end
  local from, found = 0, nil
  repeat
    found = redis.call('ZRANGE', P .. 'open', from, from + 499)
    local had = #claimed
    claim('open', found)
    from = from + 500 - (#claimed - had)
  until #found < 500 or #claimed >= tonumber(tasks)
  if fresh then claim_due() end
end
local ended = {}
local function row(number, turn)
  local task = get('rows', number)
  if tonumber(task) % parts == part then
    ended[#ended + 1] = {
      turn, number, get('names', number) or '', get('records', task),
      get('trails', task) or '', get('tries', task) or 0, get('data', number) or ''
    }
  end
end
if after ~= '' then
  local most = tonumber(rows)
  if given == '1' then
    local number = tonumber(after) + 1
    while #ended < most do
      local task = get('rows', number)
      if not task then break end
      local turn = get('turns', number)
      if not turn and tonumber(task) % parts == part then break end
      if turn then row(number, turn) end
      number = number + 1
    end
  else
    local from = tonumber(after)
    repeat
      local found = redis.call(
        'ZRANGEBYSCORE', P .. 'ended', '(' .. from, '+inf', 'WITHSCORES', 'LIMIT', 0, most
      )
      for i = 1, #found, 2 do
        if #ended < most then row(found[i], found[i + 1]) end
        from = tonumber(found[i + 1])
      end
    until #found < 2 * most or #ended >= most
  end
end
local left = 0
if parts == 1 then
  left = redis.call('ZCARD', P .. 'unfinished')
else
  local from, found = 0, nil
  repeat
    found = redis.call('ZRANGE', P .. 'unfinished', from, from + 499)
    for _, task in ipairs(found) do
      if tonumber(task) % parts == part then left = 1 end
    end
    from = from + 500
  until #found < 500 or left > 0
end
local due = -1
for _, task in ipairs(redis.call('ZRANGE', P .. 'due', 0, 100 * parts)) do
  if due < 0 and tonumber(task) % parts == part then
    due = tonumber(redis.call('ZSCORE', P .. 'due', task))
  end
end
return cjson.encode({
  claimed = claimed, ended = ended, counts = counts(), left = left > 0, due = tostring(due)
})
"""
)
RELEASE = (
    _COMMON
    + """
local leased = P .. 'leased:' .. ARGV[1]
for _, task in ipairs(redis.call('SMEMBERS', leased)) do
  if get('states', task) == 'leased' then
    set('states', task, 'open')
    redis.call('ZADD', P .. 'open', task, task)
  end
end
redis.call('DEL', leased)
redis.call('HDEL', P .. 'workers', ARGV[1])
return 0
"""
)
RETRY = (
    _COMMON
    + """
local again = 0
for i = 1, tonumber(redis.call('HGET', C, 'tasks') or '0') do
  local task = tostring(i)
  if get('states', task) == 'failed' and get('inputs', task) ~= '' then
    set('states', task, 'open')
    set('tries', task, 0)
    redis.call('ZADD', P .. 'open', task, task)
    redis.call('ZADD', P .. 'unfinished', task, task)
    count('unfinished', 1)
    for _, number in ipairs(asks(task)) do
      redis.call('HDEL', P .. 'turns', number)
      redis.call('ZREM', P .. 'ended', number)
      count('failed', -1)
      again = again + 1
    end
  end
end
return again
"""
)
