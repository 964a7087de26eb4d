"""Who is measured: nobody in between, the mirrors of nginx, Envoy and Traefik, and Parallax. Each peer as its own
documents advise for speed: a worker for each core, no access log, connections to the backends kept, no request ids."""

import json
import os
import re

import backends
import process
import tools

CORES = len(os.sched_getaffinity(0))


class Proxy:
    """A proxy in front of a primary and a candidate. `entrance` is "http", "h2" (cleartext HTTP/2) or "tls"."""

    binary = None

    def __init__(self, rig, entrance, candidate):
        self.folder, self.primary, self.candidate = rig.folder, rig.primary.port, candidate
        self.entrance, self.certificate = entrance, rig.certificate
        self.port = process.free_port()
        self.process = None

    def start(self):
        self.process = process.start(self.command(), self.file("log"), self.environment())
        process.wait_until(lambda: process.accepts(self.port), f"{type(self).__name__} listens", process=self.process)
        return self

    def stop(self):
        process.stop(self.process)

    def usage(self):
        return process.usage(self.process.pid)

    def environment(self):
        return {}

    def file(self, ending, text=None):
        """A file of this proxy's own; written where there is a text."""
        name = os.path.join(self.folder, f"{type(self).__name__.lower()}-{self.port}.{ending}")
        if text is not None:
            with open(name, "w", encoding="utf-8") as out:
                out.write(text)
        return name


class Nginx(Proxy):
    def command(self):
        tls = f"ssl_certificate {self.certificate.chain}; ssl_certificate_key {self.certificate.key};" if self.entrance == "tls" else ""
        kept = "keepalive 512; keepalive_requests 1000000000; keepalive_timeout 10m;"
        scratch = self.file("tmp")
        config = f"""
            daemon off; worker_processes {CORES}; {backends.run_as()}
            pid {self.file("pid")}; error_log {self.file("err")} crit;
            events {{ worker_connections 16000; }}
            http {{
              access_log off; tcp_nodelay on; keepalive_timeout 10m; keepalive_requests 1000000000;
              client_body_temp_path {scratch}1; proxy_temp_path {scratch}2; fastcgi_temp_path {scratch}3;
              uwsgi_temp_path {scratch}4; scgi_temp_path {scratch}5;
              client_body_buffer_size 2m; client_max_body_size 64m; {tls}
              # A stream counts until its copy has been answered too: the default of 128 is soon passed.
              http2_max_concurrent_streams 10000;
              upstream primary {{ server 127.0.0.1:{self.primary}; {kept} }}
              upstream candidate {{ server 127.0.0.1:{self.candidate}; {kept} }}
              proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $http_host;
              proxy_buffer_size 16k; proxy_buffers 16 32k; proxy_busy_buffers_size 128k;
              server {{
                listen 127.0.0.1:{self.port} {dict(http="", h2="http2", tls="ssl")[self.entrance]} backlog=4096;
                location / {{ mirror /copy; proxy_pass http://primary; }}
                location = /copy {{ internal; proxy_pass http://candidate$request_uri; }}
              }}
            }}"""
        return [tools.path("nginx"), "-p", self.folder, "-c", self.file("conf", config)]


class Envoy(Proxy):
    def command(self):
        extensions = "type.googleapis.com/envoy.extensions."
        manager, router = "filters.network.http_connection_manager.v3.HttpConnectionManager", "filters.http.router.v3.Router"
        everything = {"default_value": {"numerator": 100, "denominator": "HUNDRED"}}
        route = {"cluster": "primary", "timeout": "60s", "request_mirror_policies": [{"cluster": "candidate", "runtime_fraction": everything}]}
        chain = {
            "filters": [
                {
                    "name": "http",
                    "typed_config": {
                        "@type": extensions + manager,
                        "stat_prefix": "in",
                        "codec_type": "AUTO",
                        "generate_request_id": False,
                        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [{"match": {"prefix": "/"}, "route": route}]}]},
                        "http_filters": [{"name": "router", "typed_config": {"@type": extensions + router, "suppress_envoy_headers": True}}],
                    },
                }
            ]
        }
        if self.entrance == "tls":
            pair = {"certificate_chain": {"filename": self.certificate.chain}, "private_key": {"filename": self.certificate.key}}
            context = {"@type": extensions + "transport_sockets.tls.v3.DownstreamTlsContext", "common_tls_context": {"tls_certificates": [pair]}}
            chain["transport_socket"] = {"name": "tls", "typed_config": context}
        resources = {
            "listeners": [{"name": "in", "address": _address(self.port), "filter_chains": [chain]}],
            "clusters": [self._cluster("primary", self.primary), self._cluster("candidate", self.candidate)],
        }
        config = self.file("json", json.dumps({"static_resources": resources}))
        return [tools.path("envoy"), "-c", config, "--concurrency", str(CORES), "--log-level", "error", "--disable-hot-restart"]

    @staticmethod
    def _cluster(name, port):
        at = {"cluster_name": name, "endpoints": [{"lb_endpoints": [{"endpoint": {"address": _address(port)}}]}]}
        cluster = {"name": name, "type": "STATIC", "connect_timeout": "5s", "load_assignment": at}
        if name == "primary":
            # The candidate's cluster keeps the limits it has by default, as Parallax does.
            cluster["circuit_breakers"] = {"thresholds": [{"max_connections": 16000, "max_pending_requests": 16000, "max_requests": 16000}]}
        return cluster


class Traefik(Proxy):
    def command(self):
        server = lambda port: {"loadBalancer": {"serversTransport": "kept", "servers": [{"url": f"http://127.0.0.1:{port}"}]}}
        router = {"rule": "PathPrefix(`/`)", "entryPoints": ["in"], "service": "both"}
        http = {
            "routers": {"all": router},
            # By default two connections to a server are kept, which would measure the making of connections.
            "serversTransports": {"kept": {"maxIdleConnsPerHost": 512}},
            "services": {"primary": server(self.primary), "candidate": server(self.candidate), "both": {"mirroring": {"service": "primary", "mirrors": [{"name": "candidate", "percent": 100}]}}},
        }
        routes = {"http": http}
        if self.entrance == "tls":
            router["tls"] = {}
            routes["tls"] = {"stores": {"default": {"defaultCertificate": {"certFile": self.certificate.chain, "keyFile": self.certificate.key}}}}
        # Traefik reads YAML, and JSON is YAML.
        entry = {
            "global": {"checkNewVersion": False, "sendAnonymousUsage": False},
            "log": {"level": "ERROR"},
            "entryPoints": {"in": {"address": f"127.0.0.1:{self.port}"}},
            "providers": {"file": {"filename": self.file("routes.yml", json.dumps(routes)), "watch": False}},
        }
        return [tools.path("traefik"), f"--configFile={self.file('yml', json.dumps(entry))}"]

    def environment(self):
        return {"GOMAXPROCS": str(CORES)}


class Parallax(Proxy):
    """With everything on: comparing, accounting, the store. Only POST and PUT had to be named."""

    sample = 1.0
    routes = 0
    candidate_scheme = "http"

    def command(self):
        ready = self.file("ready")
        tls = f'tls.certificate = "{self.certificate.chain}"\ntls.key = "{self.certificate.key}"' if self.entrance == "tls" else ""
        config = f"""
[listen]
address = "127.0.0.1:{self.port}"
{tls}
[admin]
address = "127.0.0.1:0"
[primary]
url = "http://127.0.0.1:{self.primary}"
[candidate]
url = "{self.candidate_scheme}://127.0.0.1:{self.candidate}"
[mirror]
sample = {self.sample}
methods = ["GET", "HEAD", "OPTIONS", "POST", "PUT"]
[store]
path = "{self.file("data")}"
"""
        config += "".join(f'[[route]]\nname = "items-{route}"\npath = "/items/{route}/{{*rest}}"\n' for route in range(self.routes))
        return [self.binary, "serve", "--config", self.file("toml", config), "--ready-file", ready]

    def start(self):
        super().start()
        process.wait_until(lambda: os.path.exists(self.file("ready")), "Parallax is ready", process=self.process)
        return self


    def divergences(self):
        """How many different ones it knows."""
        with open(self.file("ready"), encoding="utf-8") as ready:
            page = backends.get(f"http://{json.load(ready)['admin']}/metrics").decode()
        return int(float(re.search(r'^parallax_divergences\{state="counted"\} (\S+)', page, re.M)[1]))


class Off(Parallax):
    """The same with mirroring switched off."""

    sample = 0.0


PEERS = {"nginx-mirror": (Nginx, "nginx"), "envoy-mirror": (Envoy, "envoy"), "traefik-mirror": (Traefik, "traefik")}


def of_binary(kind, binary):
    """`kind` as built in this file. Several builds may be measured beside each other."""
    return type(kind.__name__, (kind,), {"binary": binary})


def with_routes(kind, routes):
    return type(kind.__name__, (kind,), {"routes": routes})


def _address(port):
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}
