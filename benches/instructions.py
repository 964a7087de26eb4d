#!/usr/bin/env python3
"""How many instructions the proxy executes for one mirrored GET, against the stored figure: whether the way of a request
has become longer. Unlike time this hardly depends on the machine or on what else runs there.

    cargo build --release
    python3 benches/instructions.py             exit code 1 where it is more than 15 % above benches/instructions.json
    python3 benches/instructions.py --store     keeps the figure, after a change that was worth it

The release binary runs under callgrind, between a client and two backends that live here, so that they do not count.
Takes valgrind, and half a minute. Compilers differ by some per cent: a figure is stored on the machine that checks it.
"""

import argparse
import asyncio
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
STORED = os.path.join(HERE, "instructions.json")
MARGIN = 0.15
CONNECTIONS = 16
WARM_UP, COUNTED = 800, 2000
PATIENCE = 120  # seconds, for each step

BODY = json.dumps({"items": [{"id": i, "name": f"item {i}", "price": i / 4} for i in range(22)]}).encode().ljust(1024)
ANSWER = b"HTTP/1.1 200 OK\r\nserver: bench\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s" % (len(BODY), BODY)
REQUEST = b"GET /items/7 HTTP/1.1\r\nhost: 127.0.0.1\r\nuser-agent: bench\r\naccept: */*\r\n\r\n"


def main():
    usage = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    usage.add_argument("--binary", default=os.path.join(HERE, "..", "target", "release", "parallax"))
    usage.add_argument("--store", action="store_true", help="keep the figure instead of comparing with it")
    arguments = usage.parse_args()
    if not shutil.which("valgrind"):
        sys.exit("valgrind is not installed: instructions cannot be counted. Debian package valgrind")
    if not os.access(arguments.binary, os.X_OK):
        sys.exit(f"{arguments.binary} is not there: cargo build --release")

    with tempfile.TemporaryDirectory(prefix="parallax-instructions-") as folder:
        per_request = asyncio.run(count(arguments.binary, folder))
    print(f"{per_request:,} instructions for each mirrored GET")
    if arguments.store:
        keep(per_request)
        return
    with open(STORED, encoding="utf-8") as stored:
        known = json.load(stored)["per_mirrored_get"]
    change = per_request / known - 1
    print(f"stored: {known:,}; {change:+.1%}, and up to {MARGIN:+.0%} is let pass")
    if change > MARGIN:
        sys.exit("the way of a request has become longer. What takes it: callgrind_annotate; if it is worth it: --store")


async def count(binary, folder):
    primary, candidate = await backend(), await backend()
    profile, ready = os.path.join(folder, "callgrind.out"), os.path.join(folder, "ready.json")
    command = ["valgrind", "--tool=callgrind", "--instr-atstart=no", f"--callgrind-out-file={profile}", binary, "serve"]
    command += ["--primary", f"http://127.0.0.1:{primary}", "--candidate", f"http://127.0.0.1:{candidate}"]
    command += ["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--data", os.path.join(folder, "data"), "--ready-file", ready]
    with open(os.path.join(folder, "log"), "w+b") as log:
        proxy = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            try:
                return await counted(proxy, ready, profile)
            except (OSError, RuntimeError):
                log.seek(0)
                sys.stderr.buffer.write(log.read())
                raise
        finally:
            if proxy.poll() is None:
                proxy.kill()
                proxy.wait()


async def counted(proxy, ready, profile):
    await until(lambda: os.path.exists(ready), proxy)
    with open(ready, encoding="utf-8") as told:
        addresses = json.load(told)
    port = int(addresses["listen"].rpartition(":")[2])
    admin = int(addresses["admin"].rpartition(":")[2])
    clients = [await asyncio.open_connection("127.0.0.1", port) for _ in range(CONNECTIONS)]
    await ask(clients, WARM_UP)
    instrument(proxy, "on")
    await ask(clients, COUNTED)
    instrument(proxy, "off")
    await all_matched(admin, proxy)
    proxy.terminate()
    await until(lambda: proxy.poll() is not None)
    with open(profile, encoding="utf-8", errors="replace") as lines:
        totals = [line.split()[1] for line in lines if line.startswith(("totals:", "summary:"))]
    return round(int(totals[-1]) / COUNTED)


async def ask(clients, requests):
    """So many requests, as fast as each client gets its answers."""

    async def one(reader, writer):
        for _ in range(requests // CONNECTIONS):
            writer.write(REQUEST)
            head = await reader.readuntil(b"\r\n\r\n")
            body = await reader.readexactly(len(BODY))
            if not head.startswith(b"HTTP/1.1 200") or body != BODY:
                raise RuntimeError(f"not the primary's answer: {head}")

    await asyncio.wait_for(asyncio.gather(*(one(*client) for client in clients)), PATIENCE)


async def all_matched(admin, proxy):
    """Waits until every request has been mirrored, compared, and found equal: otherwise something else was counted."""
    url, everything, seen = "/api/v1/report", WARM_UP + COUNTED, {}
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and proxy.poll() is None:
        reader, writer = await asyncio.open_connection("127.0.0.1", admin)
        writer.write(f"GET {url} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n".encode())
        answer = await reader.read()
        writer.close()
        seen = json.loads(answer.partition(b"\r\n\r\n")[2])["totals"]
        if seen["matched"] == seen["requests"] == everything:
            return
        await asyncio.sleep(0.2)
    raise RuntimeError(f"of {everything} requests not all were mirrored and matched: {seen}")


async def backend():
    """Answers everything with the same; its port."""

    async def serve(reader, writer):
        try:
            while True:
                await reader.readuntil(b"\r\n\r\n")
                writer.write(ANSWER)
        except (asyncio.IncompleteReadError, OSError):
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    return server.sockets[0].getsockname()[1]


async def until(true, proxy=None):
    end = time.monotonic() + PATIENCE
    while not true():
        if time.monotonic() > end or (proxy and proxy.poll() is not None):
            raise RuntimeError("the proxy did not start or did not end")
        await asyncio.sleep(0.1)


def instrument(proxy, state):
    subprocess.run(["callgrind_control", "-i", state, str(proxy.pid)], check=True, capture_output=True, timeout=PATIENCE)


def keep(per_request):
    compiler = subprocess.run(["rustc", "--version"], capture_output=True, text=True, check=True).stdout.strip()
    with open(STORED, "w", encoding="utf-8") as out:
        json.dump({"per_mirrored_get": per_request, "machine": platform.machine(), "compiler": compiler}, out, indent=2)
        out.write("\n")


if __name__ == "__main__":
    main()
