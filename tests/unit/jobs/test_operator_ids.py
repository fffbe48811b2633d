"""Ids of operators, over doubles of Flink's transformations: no JVM is needed to decide them."""

import sys
from dataclasses import dataclass, field

import pytest

from lakehead.settings import INSTALL_ROOT

sys.path.insert(0, str(INSTALL_ROOT / "jobs" / "flink"))
from operator_ids import (
    StateRefused,
    check_state,
    name_operators,
    source_ids,
)

LANDING, DEAD = "landing.orders", "dead.orders"


@dataclass
class Kind:
    name: str

    def getSimpleName(self) -> str:
        return self.name


@dataclass
class Part:
    """A transformation: ``keyed`` is whether it has state by key."""

    number: int
    name: str
    inputs: list["Part"] = field(default_factory=list)
    kind: str = "OneInputTransformation"
    keyed: bool = False
    uid: str | None = None

    def getId(self) -> int:
        return self.number

    def getName(self) -> str:
        return f"{self.name}[{self.number}]"

    def getInputs(self) -> list["Part"]:
        return self.inputs

    def getUid(self) -> str | None:
        return self.uid

    def setUid(self, uid: str) -> None:
        self.uid = uid

    def getClass(self) -> Kind:
        return Kind(self.kind)

    def getStateKeySelector(self) -> object | None:
        return "key" if self.keyed else None


class Job:
    """A scan with two landings, and models that aggregate; ``first`` is the first number."""

    def __init__(self, models: list[str], first: int = 1, shared: bool = False) -> None:
        self._next = first
        scan = self._part("orders", [], kind="SourceTransformation")
        self.sinks = [self._sink(self._part("Calc", [scan])) for _ in (LANDING, DEAD)]
        windows = None
        for _ in models:
            if windows is None or not shared:
                windows = self._windows(scan)
            self.sinks.append(self._sink(self._part("Calc", [windows])))
        self.uids = [LANDING, DEAD, *models]
        self.scan = scan

    def _windows(self, scan: Part) -> Part:
        local = self._part("LocalWindowAggregate", [self._part("Calc", [scan])])
        return self._part("GlobalWindowAggregate", [local], keyed=True)

    def _part(self, name: str, inputs: list[Part], **more: object) -> Part:
        self._next += 1
        return Part(self._next, name, inputs, **more)  # type: ignore[arg-type]

    def _sink(self, part: Part) -> Part:
        return self._part("lake.t", [part], kind="SinkTransformation")

    def named(self) -> set[str]:
        name_operators(self.sinks, self.uids)
        found: set[str] = set()
        waiting = list(self.sinks)
        while waiting:
            part = waiting.pop()
            assert part.uid
            found.add(part.uid)
            waiting += part.inputs
        return found


@dataclass
class State:
    uid: str
    size: int = 10

    def getOperatorUid(self) -> "State":
        return self

    def orElse(self, _: str) -> str:
        return self.uid

    def getStateSize(self) -> int:
        return self.size

    def getCoordinatorState(self) -> None:
        return None


@dataclass
class Node:
    uid: str

    def getTransformationUID(self) -> str:
        return self.uid


@dataclass
class Graph:
    uids: set[str]

    def getStreamNodes(self) -> "Graph":
        return self

    def toArray(self) -> list[Node]:
        return [Node(uid) for uid in self.uids]


def test_every_operator_has_an_id_of_its_own() -> None:
    job = Job(["model.a.1", "model.b.1"])
    assert "landing.orders/source" in job.named()
    assert "model.b.1/GlobalWindowAggregate" in job.named()
    assert {"model.a.1/Calc", "model.a.1/Calc 2"} <= job.named()
    assert source_ids(job.sinks, LANDING) == {"landing.orders/source"}


def test_ids_do_not_depend_on_other_models_or_on_numbers() -> None:
    alone = Job(["model.b.1"]).named()
    assert alone < Job(["model.a.1", "model.b.1", "model.c.1"], first=40).named()


def test_another_version_shares_no_id() -> None:
    landing = Job([]).named()
    assert Job(["model.a.1"]).named() & Job(["model.a.2"]).named() == landing


def test_two_models_never_share_state() -> None:
    with pytest.raises(StateRefused, match="share the operator GlobalWindowAggregate"):
        Job(["model.a.1", "model.b.1"], shared=True).named()


def test_two_sinks_of_one_model_do() -> None:
    job = Job(["model.a.1", "model.a.1/alert"], shared=True)
    assert "model.a.1/GlobalWindowAggregate" in job.named()


def test_state_of_a_model_that_is_gone_is_left_behind() -> None:
    running = Job(["model.b.1"]).named()
    kept = Job(["model.a.1", "model.b.1"]).named()
    states = [State(uid) for uid in kept]
    assert check_state(Graph(running), states, {"landing.orders/source"})
    assert not check_state(Graph(kept), states, {"landing.orders/source"})


def test_a_state_that_does_not_say_where_to_read_on_is_refused() -> None:
    running = Job([]).named()
    states = [State("landing.orders/source", size=0), State("")]
    with pytest.raises(StateRefused, match="does not say where to read on"):
        check_state(Graph(running), states, {"landing.orders/source"})


def test_state_of_a_model_that_is_there_is_not_lost() -> None:
    running = Job(["model.a.1"]).named()
    states = [State(uid) for uid in (*running, "model.a.1/Join")]
    with pytest.raises(StateRefused, match=r"no operator for the state of model\.a\.1/Join"):
        check_state(Graph(running), states, {"landing.orders/source"})


def test_what_an_alert_had_not_committed_may_go() -> None:
    running = Job(["model.a.1"]).named()
    states = [State(uid) for uid in (*running, "Sink Committer: model.a.1/alert")]
    assert check_state(Graph(running), states, {"landing.orders/source"})
