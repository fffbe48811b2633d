"""Names of Kubernetes for those of streams, models and topics."""

import hashlib
import re

# Plain: what becomes a label by writing dashes for underscores, and can be told back from it.
_PLAIN = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
_HASHED = re.compile(r".*_[0-9a-f]{8}")
# The longest name that the Flink Kubernetes Operator takes for a deployment.
LONGEST = 45


def label(name: str) -> str:
    """A DNS label of at most LONGEST characters, another for each name.

    ``page_views`` is ``page-views``. A name that is too long, or that could not be told from
    another one so, ends in a hash of it.
    """
    if _PLAIN.fullmatch(name) and not _HASHED.fullmatch(name) and len(name) <= LONGEST:
        return name.replace("_", "-")
    digest = hashlib.sha256(name.encode()).hexdigest()[:8]
    words = re.sub(r"[^a-z0-9]+", "-", name)[: LONGEST - 9].strip("-")
    return f"{words}-{digest}"
