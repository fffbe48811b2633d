import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lakehead.contracts.model import Contract
from lakehead.errors import NotRunning
from lakehead.settings import Settings, Tuning
from lakehead.streams import topics
from lakehead.streams.produce import ProduceOptions, produce

QUESTIONS: list[Callable[[Settings, Contract], Any]] = [
    topics.ensure_topic,
    lambda settings, contract: topics.offsets(settings, contract.topic),
    lambda settings, contract: topics.committed(settings, contract.topic, "group"),
    lambda settings, contract: produce(settings, contract, ProduceOptions(events=1)),
]


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """A port that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def at(port: int, home: Path, project: Path) -> Settings:
    return Settings(home=home, project=project, tuning=Tuning(port_base=port))


@pytest.mark.parametrize("ask", QUESTIONS)
def test_without_a_broker_says_so_at_once_and_quietly(
    ask: Callable[[Settings, Contract], Any],
    listener: socket.socket,
    contract: Contract,
    tmp_path: Path,
    small_project: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    port = listener.getsockname()[1]
    listener.close()
    with pytest.raises(NotRunning, match=f"does not answer at 127.0.0.1:{port}") as raised:
        ask(at(port, tmp_path, small_project), contract)
    assert raised.value.hint == "lakehead up"
    assert capfd.readouterr() == ("", "")
    assert list(tmp_path.iterdir()) == []


def test_a_port_that_is_no_broker_is_given_up(
    listener: socket.socket,
    contract: Contract,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(topics, "_SECONDS", 0.2)
    port = listener.getsockname()[1]
    with pytest.raises(NotRunning, match="does not answer"):
        topics.ensure_topic(at(port, tmp_path, tmp_path), contract)
    assert capfd.readouterr() == ("", "")
