"""What stands behind the proxies: two nginx that answer at once and count, and a candidate that misbehaves."""

import os
import re
import subprocess
import sys
import urllib.error
import urllib.request

import process
import scenarios
import tools

HERE = os.path.dirname(os.path.abspath(__file__))
# nginx reads no longer words than this.
PIECE = 3000

CONFIG = """
{load_echo}
daemon off; worker_processes 1; {user}
pid {folder}/{name}.pid; error_log {folder}/{name}.err crit;
events {{ worker_connections 16000; }}
http {{
  access_log off; default_type application/json; types {{ }}
  tcp_nodelay on; keepalive_timeout 10m; keepalive_requests 1000000000;
  client_body_temp_path {folder}/{name}-1; proxy_temp_path {folder}/{name}-2; fastcgi_temp_path {folder}/{name}-3;
  uwsgi_temp_path {folder}/{name}-4; scgi_temp_path {folder}/{name}-5;
  client_body_buffer_size 2m; client_max_body_size 64m; large_client_header_buffers 8 16k;
  http2_max_requests 1000000000;
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    {extra_listeners}
    location = /requests {{ stub_status; }}
    {locations}
  }}
}}
"""


class Backend:
    """An nginx. `port` speaks HTTP/1.1; `h2_port` cleartext HTTP/2 and `tls_port` TLS, for those who ask directly."""

    def __init__(self, name, folder, wanted, certificate):
        self.port, self.h2_port, self.tls_port = (process.free_port() for _ in range(3))
        self._looked = 0
        listeners = [f"listen 127.0.0.1:{self.h2_port} http2 backlog=4096;"]
        if certificate:
            listeners.append(f"listen 127.0.0.1:{self.tls_port} ssl backlog=4096; ssl_certificate {certificate.chain}; ssl_certificate_key {certificate.key};")
        echo = tools.echo_module()
        config = os.path.join(folder, f"{name}.conf")
        with open(config, "w", encoding="ascii") as out:
            out.write(
                CONFIG.format(
                    load_echo=f"load_module {echo};" if echo else "",
                    user=run_as(),
                    folder=folder,
                    name=name,
                    port=self.port,
                    extra_listeners=" ".join(listeners),
                    locations="\n    ".join(_locations(wanted, echo)),
                )
            )
        self.process = process.start([tools.path("nginx"), "-p", folder, "-c", config], os.path.join(folder, f"{name}.log"))
        process.wait_until(lambda: process.accepts(self.port), f"the {name} backend listens", process=self.process)

    def served(self):
        """Requests answered so far, not counting these questions."""
        page = get(f"http://127.0.0.1:{self.port}/requests").decode()
        self._looked += 1
        return int(re.search(r"requests\s+\d+ \d+ (\d+)", page)[1]) - self._looked

    def stop(self):
        process.stop(self.process)


class Faulty:
    """A candidate that misbehaves in one way, for a limited time: see faulty.py."""

    def __init__(self, fault, folder, seconds):
        ready = os.path.join(folder, f"faulty-{fault}.port")
        if os.path.exists(ready):
            os.remove(ready)
        command = [sys.executable, os.path.join(HERE, "faulty.py"), fault, ready, str(seconds)]
        self.process = process.start(command, os.path.join(folder, f"faulty-{fault}.log"))
        process.wait_until(lambda: os.path.exists(ready), f"the candidate ({fault}) listens", process=self.process)
        with open(ready, encoding="ascii") as told:
            self.port = int(told.read())

    def stop(self):
        process.stop(self.process)


class Certificate:
    """Self-signed, for 127.0.0.1."""

    def __init__(self, folder):
        self.chain, self.key = os.path.join(folder, "server.pem"), os.path.join(folder, "server.key")
        new = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost".split()
        subprocess.run(
            [tools.path("openssl"), *new, "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", self.key, "-out", self.chain],
            check=True, capture_output=True, timeout=30,
        )


def run_as():
    """Started by root, nginx would have its workers change to a user who may not read our folder."""
    return "user root;" if os.geteuid() == 0 else ""


def get(url, method="GET", body=None, context=None):
    """The body of an answer, whatever its status."""
    request = urllib.request.Request(url, method=method, data=body, headers={"content-type": "application/json"} if body else {})
    try:
        with urllib.request.urlopen(request, timeout=10, context=context) as answer:
            return answer.read()
    except urllib.error.HTTPError as refused:
        return refused.read()


def _locations(wanted, echo):
    for size in sorted({s.size for s in wanted if not s.sends_body}):
        for path, request_id in (("same", scenarios.SAME_ID), ("differs", "$request_id")):
            text = scenarios.document(size, request_id)
            pieces = [text[at : at + PIECE] for at in range(0, len(text), PIECE)]
            # The id stands in the first piece, far from its end, so that no cut divides its name.
            sets = " ".join(f"set $piece{i} '{piece}';" for i, piece in enumerate(pieces))
            whole = "".join(f"${{piece{i}}}" for i in range(len(pieces)))
            yield f'location = /{path}/{size} {{ {sets} return 200 "{whole}"; }}'
            if path == "same":
                yield f'location ~ ^/items/[0-9]+/same/{size}$ {{ {sets} return 200 "{whole}"; }}'
    leaves = ", ".join(f'"{name}": "$request_id"' for name in scenarios.MANY)
    yield f"location ~ ^/items/[0-9]+/many$ {{ return 200 '{{{leaves}}}'; }}"
    if echo:
        yield "location = /echo { echo_read_request_body; echo_request_body; }"
