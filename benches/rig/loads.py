"""The programs that send requests, and what they tell. Times in microseconds, None where a program does not say."""

import json
import os
import re
import subprocess
from dataclasses import dataclass

import tools

HERE = os.path.dirname(os.path.abspath(__file__))
CONNECTIONS = 64
# HTTP/2: connections, and streams on each.
H2 = (10, 10)


@dataclass
class Load:
    requests: int  # answered with 2xx
    seconds: float
    failed: int  # errors and other answers
    p50: float | None = None
    p99: float | None = None


def saturate(scenario, url, seconds, folder):
    """As fast as it goes, each connection waiting for its answer (wrk)."""
    environment = {**os.environ, "RIG_METHOD": scenario.method}
    if scenario.sends_body:
        environment["RIG_BODY_FILE"] = body_file(scenario, folder)
    if scenario.routes:
        environment["RIG_PATHS_FILE"] = paths_file(scenario, folder)
    command = [tools.path("wrk"), "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--timeout", "10s", "-s", os.path.join(HERE, "wrk.lua"), url]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=seconds + 30)
    found = re.search(r"^RESULT (.*)$", done.stdout, re.M)
    if not found:
        raise RuntimeError(f"wrk told nothing: {done.stdout}{done.stderr}")
    told = json.loads(found[1])
    return Load(told["requests"] - told["failed"], told["seconds"], told["failed"], told["p50"], told["p99"])


def at_rate(scenario, url, seconds, folder, rate):
    """So many requests a second whatever becomes of them (oha). Latency runs from when a request was due."""
    command = [tools.path("oha"), "--no-tui", "--output-format", "json", "-z", f"{seconds}s", "-w", "-q", str(rate), "--latency-correction"]
    command += ["-c", str(CONNECTIONS), "-t", "5s", "-m", scenario.method]
    if scenario.sends_body:
        command += ["-D", body_file(scenario, folder), "-T", "application/json"]
    if scenario.routes:
        command.append("--urls-from-file")
        url = paths_file(scenario, folder, url.removesuffix(scenario.path))
    done = subprocess.run([*command, url], capture_output=True, text=True, timeout=seconds + 40)
    told = json.loads(done.stdout)
    good = sum(n for status, n in told["statusCodeDistribution"].items() if status.startswith("2"))
    failed = sum(told["statusCodeDistribution"].values()) - good + sum(told["errorDistribution"].values())
    times = told["latencyPercentiles"]
    micros = lambda seconds: None if seconds is None else seconds * 1e6
    return Load(good, seconds, failed, micros(times["p50"]), micros(times["p99"]))


def over_h2(scenario, url, seconds, folder):
    """As fast as it goes over cleartext HTTP/2 (h2load)."""
    connections, streams = H2
    command = [tools.path("h2load"), "-t1", f"-c{connections}", f"-m{streams}", f"-D{seconds}"]
    if scenario.sends_body:
        command += ["-d", body_file(scenario, folder)]
    done = subprocess.run([*command, url], capture_output=True, text=True, timeout=seconds + 30)
    statuses = re.search(r"status codes: (\d+) 2xx, (\d+) 3xx, (\d+) 4xx, (\d+) 5xx", done.stdout)
    errors = re.search(r"(\d+) failed, (\d+) errored, (\d+) timeout", done.stdout)
    if not statuses or not errors:
        raise RuntimeError(f"h2load told nothing: {done.stdout}{done.stderr}")
    good, *other = map(int, statuses.groups())
    return Load(good, seconds, sum(other) + int(errors[1]))


def paths_file(scenario, folder, before=""):
    """A file with the paths of all routes, a line each, and what stands before each."""
    file = os.path.join(folder, "paths.txt")
    with open(file, "w", encoding="ascii") as out:
        out.writelines(f"{before}{scenario.path_on(route)}\n" for route in range(scenario.routes))
    return file


def body_file(scenario, folder):
    """A file with what is posted."""
    file = os.path.join(folder, f"{scenario.name}.body")
    if not os.path.exists(file):
        with open(file, "wb") as out:
            out.write(scenario.body())
    return file
