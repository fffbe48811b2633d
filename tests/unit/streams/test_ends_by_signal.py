"""A process that ends by SIGTERM, though other code swallows what ends it."""

import signal
import subprocess
import sys

import pytest

PROGRAM = """
import time
from lakehead.streams.interrupt import ends_by_signal

ended = ends_by_signal()
while not ended.is_set():
    try:
        print("ready", flush=True)
        time.sleep(60)
    except {caught}:
        print("swallowed", flush=True)
"""


@pytest.mark.parametrize(("caught", "says"), [("BaseException", "swallowed\n"), ("Exception", "")])
def test_it_ends(caught: str, says: str) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM.format(caught=caught)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGTERM)
        assert process.stdout.read() == says
        assert process.wait(30) == 0
