-- For wrk: sixteen requests in one write. `wrk -s benches/peers/pipeline.lua -t1 -c64 -d5s {url}/plaintext`

local batch

function init()
  local requests = {}
  for i = 1, 16 do
    requests[i] = wrk.format()
  end
  batch = table.concat(requests)
end

function request()
  return batch
end
