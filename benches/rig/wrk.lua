-- What to send, from the environment, and what came of it as one line of JSON.
wrk.method = os.getenv("RIG_METHOD")
local file = os.getenv("RIG_BODY_FILE")
if file then
  local body = assert(io.open(file, "rb"))
  wrk.body = body:read("*a")
  wrk.headers["content-type"] = "application/json"
  body:close()
end

file = os.getenv("RIG_PATHS_FILE")
if file then
  local requests, at = {}, 0
  function init()
    for path in io.lines(file) do
      requests[#requests + 1] = wrk.format(nil, path)
    end
  end
  function request()
    at = at % #requests + 1
    return requests[at]
  end
end

function done(summary, latency)
  local failed = summary.errors
  local refused = failed.connect + failed.read + failed.write + failed.timeout
  io.write(string.format('\nRESULT {"requests": %d, "seconds": %f, "p50": %f, "p99": %f, "failed": %d}\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50), latency:percentile(99), refused + failed.status))
end
