"""The shell with live answers."""

import sys

import pytest
from live_lake import Shop

from lakehead.errors import UserError
from lakehead.shell.commands import Shell

COUNT = "SELECT count(*) AS n FROM landing.orders"


def test_it_answers_up_to_the_last_event(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    shop.valid()
    shell = Shell(shop.settings, sys.stdout, live=shop.live())
    shell.run(COUNT)
    said = capsys.readouterr().out
    assert "1 rows from Kafka" in said and "landing.orders: newest event 2026-01-01" in said
    shell.run(r"\f csv")
    shell.run(COUNT)
    assert capsys.readouterr().out.splitlines() == ["n", "1"]
    # What is asked of the lake's tables themselves has no tail.
    shell.run(r"\d ops.left_out")
    with pytest.raises(UserError, match="answers are live"):
        shell.run(r"\asof 1 hour ago")
    shell.run(r"\live off")
    assert shop.topic.open == 0
    capsys.readouterr()
    shell.run(COUNT)
    assert capsys.readouterr().out.splitlines() == ["n", "0"]


def test_it_is_not_both_live_and_of_then(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    shell = Shell(shop.settings, sys.stdout)
    shell.run(r"\asof 1 hour ago")
    with pytest.raises(UserError, match="which is not live"):
        shell.run(r"\live on")
    shell.run(r"\asof now")
    shell.run(r"\live on")
    assert shell.live is not None
    assert capsys.readouterr().out.endswith("live is on\n")
    shell.close()
    assert shell.live is None
