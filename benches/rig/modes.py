"""What can be measured. Each mode takes the rig and the options, measures round by round, everyone in turn and in the
opposite order every other round, and gives its tables."""

import http.client
import os
import resource
import selectors
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass

import loads
import process
import proxies
import scenarios
import tools
from table import Table, median, ratio

ROUTES = 2000
PEERS_OF_RATIOS = ("nginx-mirror", "envoy-mirror")
FAULTS = "ok stalled refused reset trickle endless garbage closed errors slow huge-head slow-head interims crumbs unaccepted h2-pings h2-windows h2-interims h2-endless".split()


USUAL = [scenarios.parse(name) for name in ("get-1k", "get-64k", "post-1k")]
GET_1K, GET_64K, _ = USUAL


@dataclass
class Options:
    rounds: int
    seconds: int
    rates: list
    scenarios: list  # those asked for; empty: each mode's own
    faults: list
    connections: int
    minutes: int

    def chosen(self, *usual):
        """What to ask for, as far as the backends can answer it."""
        return [s for s in self.scenarios or usual if not s.sends_body or tools.echo_module()]


def saturation(rig, options):
    """As many requests as go through 64 connections."""
    for scenario in options.chosen(*USUAL):
        load = lambda s, url, seconds, folder: loads.saturate(s, url, seconds or options.seconds, folder)
        yield _beside(rig, options, scenario, load, f"saturation, {scenario.name}, {loads.CONNECTIONS} connections")


def rate(rig, options):
    """A fixed number of requests a second."""
    for scenario in options.chosen(GET_1K):
        for rps in options.rates:
            load = lambda s, url, seconds, folder: loads.at_rate(s, url, seconds or options.seconds, folder, rps)
            yield _beside(rig, options, scenario, load, f"{rps} requests/s, {scenario.name}, open loop", direct_p50=True)


def h2(rig, options):
    """HTTP/2 clients."""
    for scenario in options.chosen(GET_1K):
        load = lambda s, url, seconds, folder: loads.over_h2(s, url, seconds or options.seconds, folder)
        yield _beside(rig, options, scenario, load, f"HTTP/2 clients, {scenario.name}, {loads.H2[0]} connections x {loads.H2[1]} streams", "h2")


def tls(rig, options):
    """TLS clients."""
    for scenario in options.chosen(GET_1K):
        load = lambda s, url, seconds, folder: loads.saturate(s, url, seconds or options.seconds, folder)
        yield _beside(rig, options, scenario, load, f"TLS clients, {scenario.name}, {loads.CONNECTIONS} connections", "tls")


def bodies(rig, options):
    """What comparing costs when no answer is like another, against answers that are equal."""
    for equal in (s for s in options.chosen(GET_1K, GET_64K) if s.method == "GET" and not s.differs):
        loads_of = {"saturation": lambda s, url, seconds, folder: loads.saturate(s, url, seconds or options.seconds, folder)}
        if tools.path("oha"):
            rps = min(options.rates)
            loads_of[f"{rps} requests/s"] = lambda s, url, seconds, folder: loads.at_rate(s, url, seconds or options.seconds, folder, rps)
        pair = [equal, scenarios.parse(f"{equal.name}-differs")]
        for load_name, load in loads_of.items():
            cases = {f"{name} {s.name}": (kind, s) for name, kind in rig.parallaxes.items() for s in pair}
            measured = _rounds(options, cases, lambda case: rig.run(*case, load))
            title = f"every answer another one, {equal.name}, {load_name}"
            table = Table(title, ["", "CPU us/request", "more than equal", "mirrored %", "requests/s", "p50 us", "p99 us", "of equal", "failed"], measured)
            for case, rounds in measured.items():
                same = measured.get(case.removesuffix("-differs"), [])
                table.row(
                    case, median(rounds, "cpu"), _more(rounds, same, "cpu"), median(rounds, "mirrored"), median(rounds, "rps"),
                    median(rounds, "p50"), median(rounds, "p99"), ratio(rounds, same, "p99"), sum(r["failed"] for r in rounds),
                )
            yield table


def faults(rig, options):
    """A candidate that misbehaves, beside Parallax with mirroring switched off."""
    for scenario in options.chosen(GET_1K):
        for fault in options.faults:
            rps = min(options.rates)
            load = lambda s, url, seconds, folder: loads.at_rate(s, url, seconds, folder, rps)
            # The others do not speak HTTP/2 to a candidate, or are not set up for it.
            judged = rig.parallaxes if fault.startswith("h2-") else rig.proxies()
            measured = _rounds(options, {**rig.off, **judged}, lambda kind: rig.fault(kind, fault, scenario, load, options.seconds))
            heads = ["", "answered %", "p50 us", "p99 us", "of off", "failed", "CPU us/request", "memory growth MiB", "descriptors"]
            table = Table(f"candidate {fault}, {scenario.name}, {rps} requests/s", heads, measured)
            for name, rounds in measured.items():
                off = measured.get(f"{name}-off" if name in rig.parallaxes else next(iter(rig.off)))
                answered = 100 * sum(r["requests"] for r in rounds) / (rps * options.seconds * len(rounds))
                table.row(
                    name, answered, median(rounds, "p50"), median(rounds, "p99"), ratio(rounds, off, "p99"), sum(r["failed"] for r in rounds),
                    median(rounds, "cpu"), max(r["growth"] for r in rounds), max(r["descriptors"] for r in rounds),
                )
            yield table


def scale(rig, options):
    """Many configured routes, and many divergences known on each, beside none: what equal answers cost then."""
    for equal in (s for s in options.chosen(GET_1K) if s.method == "GET" and not s.differs):
        scenario = equal.spread(ROUTES)
        loads_of = {"saturation": lambda s, url, seconds, folder: loads.saturate(s, url, seconds or options.seconds, folder)}
        if tools.path("oha"):
            rps = min(options.rates)
            loads_of[f"{rps} requests/s"] = lambda s, url, seconds, folder: loads.at_rate(s, url, seconds or options.seconds, folder, rps)
        for load_name, load in loads_of.items():
            cases = {}
            for name, kind in rig.parallaxes.items():
                routed = proxies.with_routes(kind, ROUTES)
                cases |= {name: (kind, None), f"{name} with routes": (routed, None), f"{name} with routes and divergences": (routed, _diverge)}
            measured = _rounds(options, cases, lambda case: _with_divergences(rig, *case, scenario, load))
            table = Table(f"{ROUTES} routes, {equal.name}, {load_name}", ["", "divergences", "CPU us/request", "of none", "mirrored %", "requests/s", "p50 us", "p99 us", "of none", "peak MiB", "failed"], measured)
            for case, rounds in measured.items():
                none = measured.get(case.split(" with ")[0], [])
                table.row(
                    case, median(rounds, "divergences"), median(rounds, "cpu"), ratio(rounds, none, "cpu"), median(rounds, "mirrored"), median(rounds, "rps"),
                    median(rounds, "p50"), median(rounds, "p99"), ratio(rounds, none, "p99"), median(rounds, "peak"), sum(r["failed"] for r in rounds),
                )
            yield table


def syscalls(rig, options):
    """System calls for each request, counted by strace. It slows a proxy down, so that more is done at a time: read
    them as a lower bound, and beside the others'."""
    for scenario in options.chosen(GET_1K):
        measured = _rounds(options, rig.proxies(), lambda kind: _syscalls(rig, kind, scenario, min(options.seconds, 3)))
        table = Table(f"system calls for each request, {scenario.name}", ["", "all", "which"], measured)
        for name, rounds in measured.items():
            calls = {call for r in rounds for call in r["calls"]}
            each = {call: median([r["calls"] for r in rounds], call, missing=0.0) for call in calls}
            often = sorted((c for c in calls if each[c] >= 0.02), key=lambda c: -each[c])
            table.row(name, median(rounds, "all"), ", ".join(f"{c} {each[c]:.2f}" for c in often))
        yield table


def memory(rig, options):
    """Resident memory at rest, and with many connections that have asked once and keep silent."""
    wanted = _descriptors(options.connections)
    measured = _rounds(options, rig.proxies(), lambda kind: _connections(rig, kind, wanted, GET_1K))
    table = Table(f"memory at rest, and with {wanted} idle connections", ["", "at rest MiB", "connected", "with them MiB"], measured)
    for name, rounds in measured.items():
        table.row(name, median(rounds, "idle"), min(r["connected"] for r in rounds), median(rounds, "with"))
    yield table


def soak(rig, options):
    """Whether a request costs the same after a while: one process, minute by minute."""
    for scenario in options.chosen(GET_1K):
        for name, kind in rig.parallaxes.items():
            proxy = kind(rig, "http", rig.candidate.port).start()
            measured = []
            try:
                for minute in range(options.minutes):
                    served, before = rig.primary.served(), proxy.usage()
                    loads.saturate(scenario, rig.url(proxy.port, scenario), 60, rig.folder)
                    after, served = proxy.usage(), rig.primary.served() - served
                    spent = after.user + after.system - before.user - before.system
                    measured.append({"minute": minute + 1, "cpu": spent * 1e6 / max(served, 1), "rps": served / 60, "resident": after.resident, "threads": _busiest(proxy.process.pid)})
                    _progress()
            finally:
                proxy.stop()
            table = Table(f"minute by minute, {name}, {scenario.name}", ["minute", "CPU us/request", "requests/s", "memory MiB", "busiest threads, s"], {name: measured})
            for m in measured:
                table.row(str(m["minute"]), m["cpu"], m["rps"], m["resident"], " ".join(f"{t:.0f}" for t in m["threads"]))
            yield table


# What a mode cannot do without.
MODES = {
    "saturation": (saturation, ["wrk"]),
    "rate": (rate, ["oha"]),
    "faults": (faults, ["oha"]),
    "bodies": (bodies, ["wrk"]),
    "scale": (scale, ["wrk"]),
    "h2": (h2, ["h2load", "nghttp"]),
    "tls": (tls, ["wrk", "openssl"]),
    "syscalls": (syscalls, ["wrk", "strace"]),
    "memory": (memory, []),
    "soak": (soak, ["wrk"]),
}


def _rounds(options, cases, measure):
    """The measurements of each case, one for each round. A case that cannot be measured is named and left out."""
    found = {name: [] for name in cases}
    for number in range(options.rounds):
        order = [name for name in cases if name in found]
        for name in order if number % 2 == 0 else reversed(order):
            try:
                found[name].append(measure(cases[name]))
                _progress()
            except (RuntimeError, OSError, subprocess.SubprocessError) as error:
                print(f"\n{name} is left out: {error}\n")
                del found[name]
    return found


def _progress():
    print(".", end="", file=sys.stderr, flush=True)


def _beside(rig, options, scenario, load, title, entrance="http", direct_p50=False):
    cases = {"direct": None, **rig.proxies()}
    measured = _rounds(options, cases, lambda kind: rig.run(kind, scenario, load, entrance))
    heads = ["", "CPU us/request", "user", "kernel", *(f"of {p}" for p in PEERS_OF_RATIOS), "mirrored %", "requests/s", "p50 us", "p99 us", "peak MiB", "failed"]
    if direct_p50:
        heads.insert(9, "p50 over direct")
    table = Table(title, heads, measured)
    for name, rounds in measured.items():
        cells = [name, median(rounds, "cpu"), median(rounds, "user"), median(rounds, "system")]
        cells += [ratio(rounds, measured.get(peer), "cpu") for peer in PEERS_OF_RATIOS]
        cells += [median(rounds, "mirrored"), median(rounds, "rps"), median(rounds, "p50"), median(rounds, "p99"), median(rounds, "peak"), sum(r["failed"] for r in rounds)]
        if direct_p50:
            cells.insert(9, None if name == "direct" else _more(rounds, measured.get("direct", []), "p50"))
        table.row(*cells)
    return table


def _more(rounds, others, what):
    """The median of what each round has more than the other's."""
    return median([{what: a[what] - b[what]} for a, b in zip(rounds, others)], what)


def _with_divergences(rig, kind, diverge, scenario, load):
    known = []

    def prepare(proxy):
        if diverge:
            diverge(proxy)
        known.append(proxy.divergences())

    return {**rig.run(kind, scenario, load, prepare=prepare), "divergences": known[0]}


def _diverge(proxy):
    """Asks each route what differs in several places, and waits until all of it is known."""
    connection = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=10)
    for route in range(proxy.routes):
        connection.request("GET", f"/items/{route}/many")
        connection.getresponse().read()
    connection.close()
    process.wait_until(lambda: proxy.divergences() >= proxy.routes * len(scenarios.MANY), "all divergences are known", 60)


def _syscalls(rig, kind, scenario, seconds):
    proxy = kind(rig, "http", rig.candidate.port).start()
    try:
        url, counted = rig.url(proxy.port, scenario), os.path.join(rig.folder, "syscalls.txt")
        loads.saturate(scenario, url, 1, rig.folder)
        pids = [word for pid in process.descendants(proxy.process.pid) for word in ("-p", str(pid))]
        command = [tools.path("strace"), "-c", "-f", "-U", "calls,name", "-o", counted, *pids]
        tracer = process.start(command, os.path.join(rig.folder, "strace.log"))
        time.sleep(1)  # it attaches to each thread
        served = rig.primary.served()
        loads.saturate(scenario, url, seconds, rig.folder)
        time.sleep(0.5)
        served = max(rig.primary.served() - served, 1)
        tracer.send_signal(signal.SIGINT)
        tracer.wait(20)
        calls = {}
        with open(counted, encoding="ascii", errors="replace") as lines:
            for number, *name in map(str.split, lines):
                if number.isdigit() and name and name[0] != "total":
                    calls[name[0]] = int(number) / served
        return {"calls": calls, "all": sum(calls.values()), "requests": served}
    finally:
        proxy.stop()


def _descriptors(wanted):
    """As many connections as our own limit lets us have."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if wanted > hard - 200:
        print(f"only {hard - 200} connections: no more file descriptors (ulimit -Hn)", file=sys.stderr)
        return hard - 200
    return wanted


def _connections(rig, kind, wanted, scenario):
    proxy = kind(rig, "http", rig.candidate.port).start()
    kept = []
    try:
        time.sleep(2)
        idle = proxy.usage().resident
        answered = 0
        for _ in range(0, wanted, 200):
            answered += _ask_once(proxy.port, scenario, min(200, wanted - len(kept)), kept)
        time.sleep(2)
        return {"idle": idle, "with": proxy.usage().resident, "connected": answered}
    finally:
        for connection in kept:
            connection.close()
        proxy.stop()


def _ask_once(port, scenario, number, kept):
    """Opens connections, asks on each, and leaves them open: how many were served."""
    served, waiting = 0, selectors.DefaultSelector()
    for _ in range(number):
        connection = socket.create_connection(("127.0.0.1", port), 5)
        connection.sendall(f"GET {scenario.path} HTTP/1.1\r\nhost: rig\r\n\r\n".encode())
        waiting.register(connection, selectors.EVENT_READ)
        kept.append(connection)
    end = time.monotonic() + 10
    while waiting.get_map() and time.monotonic() < end:
        for key, _ in waiting.select(1):
            try:
                served += key.fileobj.recv(65536).startswith(b"HTTP/1.1 200")
            except OSError:
                pass  # turned away
            waiting.unregister(key.fileobj)
    return served


def _busiest(pid):
    """Processor seconds of the threads that have taken most."""
    spent = []
    for thread in os.listdir(f"/proc/{pid}/task"):
        fields = process.stat(f"{pid}/task/{thread}")
        if fields:
            spent.append((int(fields[11]) + int(fields[12])) / process.TICKS)
    return sorted(spent, reverse=True)[:4]
