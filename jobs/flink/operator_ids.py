"""Ids of operators that follow from what an operator does and for which sink, not from the others.

Flink finds the state of an operator by its id. Without one it makes an id from the shape of the
whole job, and a job to which a model was added could not go on from its state.

Each INSERT has an id, such as ``landing.orders`` or ``model.revenue.1f2e3d4c``; what stands before
a ``/`` is its owner. An operator belongs to the owner of the first INSERT that it feeds, and is
numbered among its like there. Landing comes first, so what all share is landing's, whatever models
there are.

Sinks make more operators of themselves, with ids that are made from the sink's.
Source: Flink 2.1, ``SinkTransformationTranslator``, ``StreamGraphHasherV2``.
"""

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

_NUMBER = re.compile(r"\[\d+\]")
_OWNER = re.compile(r"\b(?:landing|dead|model)\.[^/: ]+")


class StateRefused(Exception):
    """The job cannot go on from the state that it is given without losing some."""


def name_operators(sinks: list[Any], uids: list[str]) -> None:
    """Give every transformation an id; ``sinks`` are those of the INSERTs with ``uids``, in order.

    Raises:
        StateRefused: two models would share an operator with state; one could not go without it.
    """
    owners: dict[int, str] = {}
    numbers: Counter[str] = Counter()
    for sink, uid in zip(sinks, uids, strict=True):
        owner = uid.split("/")[0]
        sink.setUid(uid)
        for part in upstream(sink):
            of = owners.setdefault(part.getId(), owner)
            if of != owner:
                if of.startswith("model.") and _has_keyed_state(part):
                    raise StateRefused(f"{of} and {owner} share the operator {part.getName()}")
                continue
            if part.getUid() is not None:
                continue
            role = _role(part)
            numbers[f"{owner}/{role}"] += 1
            number = numbers[f"{owner}/{role}"]
            part.setUid(f"{owner}/{role}" + (f" {number}" if number > 1 else ""))


def check_state(graph: Any, states: Any, sources: set[str]) -> bool:
    """Whether some of ``states`` is for nobody in the job, since its model is there no more.

    ``sources`` are the ids of the sources that must go on where they were.

    Raises:
        StateRefused: state would be lost that is not that of a model which was taken away.
    """
    kept = {s.getOperatorUid().orElse("") for s in states if _has_state(s)}
    running = {node.getTransformationUID() for node in graph.getStreamNodes().toArray()}
    if missing := sources - kept:
        raise StateRefused(
            f"the state does not say where to read on: it has nothing for {', '.join(missing)}; "
            "it was left by a job whose operators had no ids, or other ones"
        )
    owners = {_owner(uid) for uid in running if uid}
    unclaimed = kept - running
    # What an alert's sink keeps is only what it has not committed, and a stop commits all.
    lost = {uid for uid in unclaimed if _owner(uid) in owners and "/alert" not in uid}
    if lost:
        raise StateRefused(f"the job has no operator for the state of {', '.join(sorted(lost))}")
    return bool(unclaimed)


def source_ids(sinks: list[Any], owner: str) -> set[str]:
    """The ids of the sources that belong to ``owner``."""
    parts = (part for sink in sinks for part in upstream(sink))
    return {str(p.getUid()) for p in parts if _is_source(p) and p.getUid().split("/")[0] == owner}


def upstream(sink: Any) -> Iterator[Any]:
    """What feeds the sink: the nearest first, each once."""
    seen = {sink.getId()}
    waiting = list(sink.getInputs())
    while waiting:
        part = waiting.pop(0)
        if part.getId() not in seen:
            seen.add(part.getId())
            yield part
            waiting.extend(part.getInputs())


def _role(part: Any) -> str:
    # A source is named after its table, and the table after the model that reads it.
    return "source" if _is_source(part) else _NUMBER.sub("", str(part.getName()))


def _is_source(part: Any) -> bool:
    return str(part.getClass().getSimpleName()) == "SourceTransformation"


def _has_keyed_state(part: Any) -> bool:
    kind = str(part.getClass().getSimpleName())
    if kind == "OneInputTransformation":
        return part.getStateKeySelector() is not None
    if kind == "TwoInputTransformation":
        return part.getStateKeySelector1() is not None
    return False


def _has_state(state: Any) -> bool:
    return state.getStateSize() > 0 or state.getCoordinatorState() is not None


def _owner(uid: str) -> str:
    found = _OWNER.search(uid)
    return found[0] if found else uid
