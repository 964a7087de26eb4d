"""Processes: started, measured and ended by their ids."""

import ctypes
import os
import signal
import socket
import subprocess
import time
from dataclasses import dataclass

TICKS = os.sysconf("SC_CLK_TCK")
DIES_WITH_PARENT = 1  # PR_SET_PDEATHSIG
LIBC = ctypes.CDLL(None)


@dataclass
class Usage:
    """What a process and all that descend from it have taken so far, and hold now."""

    user: float = 0.0  # seconds
    system: float = 0.0
    resident: float = 0.0  # MiB
    peak: float = 0.0
    descriptors: int = 0


def start(command, log, env=None):
    """Starts a program that ends with us, whatever ends us. What it prints goes to the file `log`."""
    with open(log, "wb") as out:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            env={**os.environ, **(env or {})},
            preexec_fn=lambda: LIBC.prctl(DIES_WITH_PARENT, signal.SIGTERM),
        )


def stop(process):
    """Ends a program and what it started."""
    below = descendants(process.pid)[1:]
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(3)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    for pid in below:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


def descendants(pid):
    """The process itself first, then its children and theirs."""
    children = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        if fields := stat(name):
            children.setdefault(int(fields[1]), []).append(int(name))
    found = [pid]
    for one in found:
        found += children.get(one, [])
    return found


def usage(pid):
    total = Usage()
    for one in descendants(pid):
        fields = stat(one)
        if not fields:
            continue
        total.user += int(fields[11]) / TICKS
        total.system += int(fields[12]) / TICKS
        try:
            with open(f"/proc/{one}/status", encoding="ascii", errors="replace") as status:
                sizes = dict(line.split(":", 1) for line in status)
            total.resident += int(sizes["VmRSS"].split()[0]) / 1024
            total.peak += int(sizes["VmHWM"].split()[0]) / 1024
            total.descriptors += len(os.listdir(f"/proc/{one}/fd"))
        except (OSError, KeyError):
            pass  # it has just ended
    return total


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until(true, what, seconds=15, process=None):
    """Waits until `true()` is; a RuntimeError names `what` where it never is."""
    end = time.monotonic() + seconds
    while not true():
        if process and process.poll() is not None:
            raise RuntimeError(f"{what}: {process.args[0]} ended by itself with {process.returncode}")
        if time.monotonic() > end:
            raise RuntimeError(f"{what}: not within {seconds} s")
        time.sleep(0.03)


def accepts(port):
    try:
        socket.create_connection(("127.0.0.1", port), 0.5).close()
        return True
    except OSError:
        return False


def stat(pid):
    """The fields of /proc/.../stat from the state on, whatever the program is called."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
            return file.read().rpartition(")")[2].split()
    except OSError:
        return None
