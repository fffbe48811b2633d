"""How many examples Hypothesis draws: all of them, or fewer where a run is to be fast.

``LAKEHEAD_DRAWS=fast`` is for ``make test-fast``; ``make test``, CI and a bare pytest draw all, the
same ones in every run. ``LAKEHEAD_DRAWS=search`` (``make test-search``) draws others in each run.
"""

import os

FAST = os.environ.get("LAKEHEAD_DRAWS") == "fast"
SEARCH = os.environ.get("LAKEHEAD_DRAWS") == "search"
# Below this few draws reach past the simplest values.
_LEAST = 10


def draws(number: int) -> int:
    """What a test that asks for ``number`` examples draws in this run."""
    return min(number, max(_LEAST, number // 4)) if FAST else number
