"""What is asked for: method, size, and whether every answer is another one. Written `get-1k`, `post-64k`,
`get-64k-differs`."""

import json
import re
from dataclasses import dataclass, replace

NAME = re.compile(r"(get|post|put)-(\d+)([km]?)(-differs)?")
UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20}
ID = re.compile(rb"[0-9a-f]{32}")
# Leaves that differ in every answer to `/items/.../many`.
MANY = ("request", "session", "trace")
SAME_ID = "0123456789abcdef" * 2


@dataclass(frozen=True)
class Scenario:
    name: str
    method: str
    size: int
    # One leaf of the JSON answer is drawn anew for each answer of each backend.
    differs: bool
    # Asked for under so many paths, each a route of its own.
    routes: int = 0

    @property
    def sends_body(self):
        return self.method in ("POST", "PUT")

    @property
    def path(self):
        if self.sends_body:
            return "/echo"
        return self.path_on(0) if self.routes else f"/{'differs' if self.differs else 'same'}/{self.size}"

    def path_on(self, route):
        return f"/items/{route}/same/{self.size}"

    def spread(self, routes):
        """The same, asked for under the paths of so many routes."""
        return replace(self, name=f"{self.name} on {routes} routes", routes=routes)

    def body(self):
        """What is posted."""
        return document(self.size).encode() if self.sends_body else None


def parse(name):
    found = NAME.fullmatch(name)
    if not found or (found[4] and found[1] != "get"):
        raise ValueError(f"`{name}` is no scenario: get, post or put and a size, as in post-64k; get-4k-differs for answers of which none is like another")
    document(int(found[2]) * UNITS[found[3]])  # or says why there is none so small
    return Scenario(name, found[1].upper(), int(found[2]) * UNITS[found[3]], bool(found[4]))


def document(size, request_id=SAME_ID):
    """A JSON document of exactly `size` bytes: orders like those of a shop, and the id of the request in one leaf."""
    whole = {"request": request_id, "orders": [], "note": ""}
    length = len(_text(whole)) - len(request_id) + len(SAME_ID)
    if size < length:
        raise ValueError(f"the smallest answer has {length} bytes")
    number = 0
    while True:
        order = {"number": number, "customer": f"customer {number % 89}", "total": number % 700 / 4, "paid": number % 3 > 0, "lines": [number % 5, number % 7]}
        more = len(_text(order)) + (1 if whole["orders"] else 0)
        if length + more > size:
            whole["note"] = "." * (size - length)
            return _text(whole)
        whole["orders"].append(order)
        length += more
        number += 1


def without_id(body):
    """An answer as it is but for what is drawn anew each time."""
    return ID.sub(b"", body)


def _text(value):
    return json.dumps(value, separators=(",", ":"))
