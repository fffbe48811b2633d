"""One server that tests share, and many calls at once."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from running_server import LIMITS, Running, Together, filled, running

from lakehead.server.serve import Listening


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    lake = filled(tmp_path_factory.mktemp("served"))
    with running(lake, Listening(port=0, http_port=0, limits=LIMITS)) as up:
        yield up


@pytest.fixture(scope="session")
def together() -> Together:
    """Calls all at once, each in a thread; gives what they gave, in order."""
    from concurrent.futures import ThreadPoolExecutor

    def call(works: list[Callable[[], Any]]) -> list[Any]:
        with ThreadPoolExecutor(len(works)) as pool:
            return [done.result() for done in [pool.submit(work) for work in works]]

    return call
