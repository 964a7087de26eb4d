"""A candidate that misbehaves: `faulty.py FAULT PORT-FILE SECONDS`. Takes a free port, writes its number to the file,
and ends by itself."""

import asyncio
import os
import random
import resource
import socket
import struct
import sys

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
SIZED = HEAD + b"content-length: 1024\r\n\r\n"
LINGER_NOT = struct.pack("ii", 1, 0)


async def stalled(reader, writer):
    """Takes the request and says nothing."""
    while await reader.read(65536):
        pass


async def reset(reader, writer):
    """Answers a tenth of what it promised, then resets the connection."""
    await request(reader)
    writer.write(SIZED + b"x" * 100)
    await writer.drain()
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NOT)
    writer.transport.abort()


async def trickle(reader, writer):
    """Answers one byte a second."""
    await request(reader)
    writer.write(SIZED)
    for _ in range(1024):
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(1)


async def endless(reader, writer):
    """Answers without end, as fast as it is read."""
    await request(reader)
    writer.write(HEAD + b"transfer-encoding: chunked\r\n\r\n")
    chunk = b"10000\r\n" + b"x" * 65536 + b"\r\n"
    while True:
        writer.write(chunk)
        await writer.drain()


async def garbage(reader, writer):
    """Answers with what is no HTTP."""
    await request(reader)
    writer.write(random.randbytes(4096))
    await writer.drain()


async def closed(reader, writer):
    """Closes each connection once it is asked something."""
    await request(reader)


async def errors(reader, writer):
    """Answers 503, quickly."""
    while True:
        await request(reader)
        writer.write(b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 5\r\n\r\nsorry")
        await writer.drain()


async def slow(reader, writer):
    """Answers well, a second late."""
    while True:
        await request(reader)
        await asyncio.sleep(1)
        writer.write(SIZED + b"x" * 1024)
        await writer.drain()


async def huge_head(reader, writer):
    """Answers with a head without end."""
    await request(reader)
    writer.write(b"HTTP/1.1 200 OK\r\n")
    while True:
        writer.write(b"x-filler: " + b"x" * 8000 + b"\r\n")
        await writer.drain()


async def slow_head(reader, writer):
    """Answers with a head of which a byte comes each second."""
    await request(reader)
    for byte in SIZED:
        writer.write(bytes([byte]))
        await writer.drain()
        await asyncio.sleep(1)


async def interims(reader, writer):
    """Answers with interim answers without end, as fast as they are read."""
    await request(reader)
    while True:
        writer.write(b"HTTP/1.1 102 Processing\r\n\r\n" * 1000)
        await writer.drain()


async def crumbs(reader, writer):
    """Answers with chunks of one byte without end, as fast as they are read."""
    await request(reader)
    writer.write(HEAD + b"transfer-encoding: chunked\r\n\r\n")
    while True:
        writer.write(b"1\r\nx\r\n" * 1000)
        await writer.drain()


async def request(reader):
    """Reads the head of a request."""
    await reader.readuntil(b"\r\n\r\n")


def frame(kind, flags, stream, payload):
    """Of HTTP/2."""
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def over_h2(flood):
    """Once asked, sends the first of what `flood` makes of the stream, then the second of it without end."""

    async def candidate(reader, writer):
        await reader.readexactly(24)
        writer.write(frame(4, 0, 0, b""))
        kind = None
        while kind != 1:
            length, kind, _, stream = struct.unpack(">IBBI", b"\0" + await reader.readexactly(9))
            await reader.readexactly(length)
        first, again = flood(stream)
        writer.write(first)
        reading = asyncio.create_task(stalled(reader, writer))
        try:
            while True:
                writer.write(again * max(1, 16384 // len(again)))
                await writer.drain()
        finally:
            reading.cancel()

    return candidate


HEAD_H2 = b"\x88"
OVER_H2 = {
    "h2-pings": lambda stream: (b"", frame(6, 0, 0, bytes(8))),
    "h2-windows": lambda stream: (b"", frame(8, 0, 0, b"\0\0\0\1")),
    "h2-interims": lambda stream: (b"", frame(1, 4, stream, b"\x08\x03102")),
    # Whatever it is told: also once nobody listens any more.
    "h2-endless": lambda stream: (frame(1, 4, stream, HEAD_H2), frame(0, 0, stream, bytes(16000))),
}

# Those that nothing is accepted for: a port that refuses, and one whose queue of connections is full.
SILENT = {"refused": None, "unaccepted": 0}
OWN = (stalled, reset, trickle, endless, garbage, closed, errors, slow, huge_head, slow_head, interims, crumbs)
FAULTS = {fault.__name__.replace("_", "-"): fault for fault in OWN} | {name: over_h2(flood) for name, flood in OVER_H2.items()}


async def main(fault, port_file, seconds):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    if fault in SILENT:
        if (backlog := SILENT[fault]) is not None:
            listener.listen(backlog)
        tell(port_file, listener)
        await asyncio.sleep(seconds)
        return

    async def serve(reader, writer):
        try:
            await FAULTS[fault](reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # the other side has gone
        finally:
            writer.close()

    await asyncio.start_server(serve, sock=listener, backlog=4096)
    tell(port_file, listener)
    await asyncio.sleep(seconds)


def tell(port_file, listener):
    with open(f"{port_file}.new", "w", encoding="ascii") as out:
        out.write(str(listener.getsockname()[1]))
    os.rename(f"{port_file}.new", port_file)


if __name__ == "__main__":
    if len(sys.argv) != 4 or sys.argv[1] not in {**FAULTS, **SILENT}:
        sys.exit(f"{__doc__}\nFAULT: {', '.join(sorted({**FAULTS, **SILENT}))}")
    try:
        asyncio.run(main(sys.argv[1], sys.argv[2], float(sys.argv[3])))
    except KeyboardInterrupt:
        pass
