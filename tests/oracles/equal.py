"""Whether two documents are equal, as deepdiff sees it: one `[a, b]` a line on stdin."""

import json
import sys

from deepdiff import DeepDiff


def told_apart(value):
    """The value with its booleans spelt out: in Python `True` is 1."""
    if isinstance(value, bool):
        return {"bool": str(value)}
    if isinstance(value, list):
        return [told_apart(item) for item in value]
    if isinstance(value, dict):
        return {key: told_apart(item) for key, item in value.items()}
    return value


for line in sys.stdin:
    a, b = told_apart(json.loads(line))
    print("not equal" if DeepDiff(a, b, ignore_numeric_type_changes=True) else "equal")
