"""How deep JSON nests, told from its bytes, before anything is built from them: building costs many times as much."""

import re
from itertools import accumulate

_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"?', re.DOTALL)
# Of the rest only the brackets count: each is one step into a container (1) or out of one (-1, as a byte).
_STEPS = bytes.maketrans(b"[{]}", b"\x01\x01\xff\xff")
_NO_BRACKETS = bytes(set(range(256)) - set(b"[{]}"))
_BLOCK = 64


def nests_deeper(data: bytes, levels: int) -> bool:
    """Tell whether JSON nests deeper than so many levels; of what is not JSON, whether it opens more than it closes."""
    # Counting settles it for every ordinary body, at next to no cost.
    if data.count(b"[") + data.count(b"{") <= levels:
        return False
    steps = _STRING.sub(b"", data).translate(_STEPS, delete=_NO_BRACKETS)
    depth = 0
    for start in range(0, len(steps), _BLOCK):
        block = steps[start : start + _BLOCK]
        opened = block.count(1)
        # Most blocks cannot reach the limit, so only a few are followed step by step.
        if depth + opened > levels and max(accumulate(memoryview(block).cast("b"), initial=depth)) > levels:
            return True
        depth += 2 * opened - len(block)
    return False
