"""Whether two documents are equal, as deepdiff sees it: one `[a, b]` a line on stdin."""

import json
import sys

from deepdiff import DeepDiff

for line in sys.stdin:
    a, b = json.loads(line)
    print("not equal" if DeepDiff(a, b, ignore_numeric_type_changes=True) else "equal")
