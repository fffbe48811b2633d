"""How many examples Hypothesis draws: all of them, or fewer where a run is to be fast.

``LAKEHEAD_DRAWS=fast`` is for ``make test-fast``; ``make test``, CI and a bare pytest draw all.
"""

import os

FAST = os.environ.get("LAKEHEAD_DRAWS") == "fast"
# Below this few draws reach past the simplest values.
_LEAST = 10


def draws(number: int) -> int:
    """What a test that asks for ``number`` examples draws in this run."""
    return min(number, max(_LEAST, number // 4)) if FAST else number
