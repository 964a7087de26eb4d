#!/usr/bin/env python3
"""Measures mirroring proxies side by side on this machine: nobody in between, nginx, Envoy, Traefik, and Parallax.

    cargo build --release
    python3 benches/rig/run.py                                 what the documents tell, some 20 minutes
    python3 benches/rig/run.py saturation --rounds 1           a first look
    python3 benches/rig/run.py faults --faults stalled,endless --rates 1500
    python3 benches/rig/run.py saturation --parallax old=/tmp/before --parallax new=target/release/parallax

Modes: saturation, rate, faults, bodies, scale, h2, tls, syscalls, memory, soak. All but soak where none is named.
"""

import argparse
import json
import os
import platform
import signal
import sys

import measure
import modes
import proxies
import scenarios
import tools

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
LONGEST = {"rounds": 15, "seconds": 60, "minutes": 60}


def main():
    arguments = parse()
    for signal_number in (signal.SIGTERM, signal.SIGHUP):
        # So that what was started is ended on the way out.
        signal.signal(signal_number, lambda *_: sys.exit(143))
    if not tools.path("nginx"):
        sys.exit(f"nginx is needed: it is the backends. {tools.TOOLS['nginx'].how_to_get}")
    for line in tools.missing():
        print(f"missing: {line}", file=sys.stderr)

    binaries = dict(b.split("=", 1) if "=" in b else ("parallax", b) for b in arguments.parallax)
    for binary in binaries.values():
        if not os.access(binary, os.X_OK):
            sys.exit(f"{binary} is not there: cargo build --release")
    options = modes.Options(
        arguments.rounds, arguments.seconds, arguments.rates, arguments.scenarios, arguments.faults, arguments.connections, arguments.minutes
    )
    result = {"conditions": conditions(arguments), "tables": []}
    try:
        with measure.Rig(binaries, arguments.peers, options.scenarios or modes.USUAL) as rig:
            for mode in arguments.modes:
                run, needs = modes.MODES[mode]
                if lacking := [tool for tool in needs if not tools.path(tool)]:
                    print(f"{mode}: skipped, it takes {' and '.join(lacking)}\n")
                    continue
                for table in run(rig, options):
                    print(file=sys.stderr)
                    print(table.text(), flush=True)
                    result["tables"].append({"title": table.title, "heads": table.heads, "rows": table.rows, "rounds": table.measured})
    finally:
        if arguments.json:
            with open(arguments.json, "w", encoding="utf-8") as out:
                json.dump(result, out, indent=1)


def parse():
    usage = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = usage.add_argument
    add("modes", nargs="*", metavar="MODE", help="what to measure")
    add("--parallax", action="append", metavar="[NAME=]FILE", help="the binary (target/release/parallax); may repeat, to compare builds")
    add("--peers", type=words, default=list(proxies.PEERS), help="of nginx-mirror,envoy-mirror,traefik-mirror; all that are installed")
    add("--scenarios", type=words, default=[], help="instead of a mode's own: get-1k, get-64k, post-1k, any other size, put")
    add("--rounds", type=int, default=5, help="of each measurement (5)")
    add("--seconds", type=int, default=5, help="of each round (5)")
    add("--rates", type=lambda text: list(map(int, words(text))), default=[2000], help="requests a second, for rate; the least of them for faults, bodies and scale (2000)")
    add("--faults", type=words, default=modes.FAULTS[:7], help=f"of {','.join(modes.FAULTS)}")
    add("--connections", type=int, default=10_000, help="idle ones, for memory (10000)")
    add("--minutes", type=int, default=15, help="for soak (15)")
    add("--json", metavar="FILE", help="keep every round of everything")
    arguments = usage.parse_args()
    arguments.modes = arguments.modes or [mode for mode in modes.MODES if mode != "soak"]
    arguments.parallax = arguments.parallax or [os.path.join(ROOT, "target", "release", "parallax")]
    for given, known in ((arguments.modes, modes.MODES), (arguments.peers, proxies.PEERS), (arguments.faults, modes.FAULTS)):
        if unknown := set(given) - set(known):
            usage.error(f"unknown: {', '.join(unknown)}; there are {', '.join(known)}")
    try:
        arguments.scenarios = [scenarios.parse(name) for name in arguments.scenarios]
    except ValueError as error:
        usage.error(str(error))
    for name, most in LONGEST.items():
        if not 1 <= getattr(arguments, name) <= most:
            usage.error(f"--{name} goes from 1 to {most}")
    return arguments


def words(text):
    return [word for word in text.split(",") if word]


def conditions(arguments):
    """On what it ran, with which versions."""
    return {
        "cores": proxies.CORES,
        "machine": platform.machine(),
        "kernel": platform.release(),
        "rounds": arguments.rounds,
        "seconds": arguments.seconds,
        "tools": {name: tool.version() for name, tool in tools.TOOLS.items() if tool.path},
    }


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
