"""One measurement: a fresh process, looked at before, during and after a load. And the ground it stands on: scratch
folder, backends, certificate."""

import os
import shutil
import ssl
import subprocess
import tempfile
import threading
import time

import backends
import loads
import process
import proxies
import scenarios
import tools

WARM_UP = 1  # seconds
SETTLE = 0.25


class Rig:
    """`binaries` are builds of Parallax by name; `wanted` the scenarios that the backends have to answer."""

    def __init__(self, binaries, peers, wanted):
        self.folder = tempfile.mkdtemp(prefix="parallax-rig-")
        os.chmod(self.folder, 0o755)
        self.certificate = backends.Certificate(self.folder) if tools.path("openssl") else None
        self.primary = backends.Backend("primary", self.folder, wanted, self.certificate)
        self.candidate = backends.Backend("candidate", self.folder, wanted, self.certificate)
        self.parallaxes = {name: proxies.of_binary(proxies.Parallax, file) for name, file in binaries.items()}
        self.off = {f"{name}-off": proxies.of_binary(proxies.Off, file) for name, file in binaries.items()}
        self.peers = {p: kind for p, (kind, tool) in proxies.PEERS.items() if p in peers and tools.path(tool)}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.primary.stop()
        self.candidate.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def proxies(self):
        return {**self.peers, **self.parallaxes}

    def run(self, kind, scenario, load, entrance="http", prepare=None):
        """Measures a proxy, or where `kind` is None the way without one. `load(scenario, url, seconds, folder)` sends
        the requests for as long as it is told; `prepare(proxy)` is done before and not measured. The figures as a
        dictionary."""
        if kind is None:
            backend = self.primary
            url = self.url({"http": backend.port, "h2": backend.h2_port, "tls": backend.tls_port}[entrance], scenario, entrance)
            load(scenario, url, WARM_UP, self.folder)
            return _figures(load(scenario, url, None, self.folder))
        proxy = kind(self, entrance, self.candidate.port).start()
        try:
            url = self.url(proxy.port, scenario, entrance)
            self.check(url, scenario, entrance)
            load(scenario, url, WARM_UP, self.folder)
            if prepare:
                prepare(proxy)
            self._settled()
            served, mirrored, before = self.primary.served(), self.candidate.served(), proxy.usage()
            figures = _figures(load(scenario, url, None, self.folder))
            self._settled()
            after, served, mirrored = proxy.usage(), self.primary.served() - served, self.candidate.served() - mirrored
            per_request = 1e6 / max(served, 1)
            figures["user"] = (after.user - before.user) * per_request
            figures["system"] = (after.system - before.system) * per_request
            figures["cpu"] = figures["user"] + figures["system"]
            figures["mirrored"] = 100 * mirrored / max(served, 1)
            figures["peak"] = after.peak
            return figures
        finally:
            proxy.stop()

    def fault(self, kind, fault, scenario, load, seconds):
        """A proxy with a candidate that misbehaves, from a cold start."""
        faulty = None if fault == "ok" else backends.Faulty(fault, self.folder, seconds + 60)
        try:
            proxy = kind(self, "http", faulty.port if faulty else self.candidate.port)
            proxy.candidate_scheme = "h2c" if fault.startswith("h2-") else "http"
            proxy.start()
            try:
                time.sleep(0.5)
                idle = proxy.usage()
                with Watch(proxy) as watch:
                    told = load(scenario, self.url(proxy.port, scenario), seconds, self.folder)
                after = proxy.usage()
                spent = after.user + after.system - idle.user - idle.system
                return {
                    **_figures(told),
                    "cpu": spent * 1e6 / max(told.requests, 1),
                    "growth": max(watch.resident, after.resident) - idle.resident,
                    "descriptors": max(watch.descriptors, after.descriptors),
                }
            finally:
                proxy.stop()
        finally:
            if faulty:
                faulty.stop()

    def url(self, port, scenario, entrance="http"):
        return f"{'https' if entrance == 'tls' else 'http'}://127.0.0.1:{port}{scenario.path}"

    def check(self, url, scenario, entrance="http"):
        """What comes through is what the backend answers, but for ids drawn anew."""
        expected = self._ask(self.url(self.primary.port, scenario), scenario, "http")
        end = time.monotonic() + 3
        while True:
            try:
                got = self._ask(url, scenario, entrance)
                if scenarios.without_id(expected) == scenarios.without_id(got) and len(expected) == scenario.size:
                    return
                wrong = f"{len(got)} bytes which are not the backend's {len(expected)}: {got[:200]!r}"
            except (OSError, subprocess.SubprocessError) as error:
                wrong = str(error)
            # There are those that listen before they know their routes or their certificate.
            if time.monotonic() > end:
                raise RuntimeError(f"{url}: {wrong}")
            time.sleep(0.1)

    def _ask(self, url, scenario, entrance):
        if entrance == "h2":
            # Python's library does not speak it.
            sent = ["-d", loads.body_file(scenario, self.folder)] if scenario.sends_body else []
            return subprocess.run([tools.path("nghttp"), *sent, url], capture_output=True, check=True, timeout=15).stdout
        context = ssl.create_default_context(cafile=self.certificate.chain) if entrance == "tls" else None
        return backends.get(url, scenario.method, scenario.body(), context)

    def _settled(self):
        """Waits for what is still on its way to the candidate."""
        before, end = -1, time.monotonic() + 5
        while (now := self.candidate.served()) != before and time.monotonic() < end:
            before = now
            time.sleep(SETTLE)


class Watch:
    """The largest memory and most descriptors that are seen while a load runs."""

    def __init__(self, proxy):
        self.resident, self.descriptors = 0.0, 0
        self._over, self._proxy = threading.Event(), proxy
        self._thread = threading.Thread(target=self._look)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        self._thread.join()

    def _look(self):
        while not self._over.wait(0.5):
            now = self._proxy.usage()
            self.resident, self.descriptors = max(self.resident, now.resident), max(self.descriptors, now.descriptors)


def _figures(load):
    return {
        "requests": load.requests,
        "rps": load.requests / load.seconds,
        "p50": load.p50,
        "p99": load.p99,
        "failed": load.failed,
    }
