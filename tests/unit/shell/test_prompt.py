"""The shell as a person has it: in a terminal, on a pipe, with its commands."""

import io
import os
import pty
import select
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lakehead.errors import LakeheadError, UserError
from lakehead.settings import Settings
from lakehead.shell.commands import NAMES, Quit, Shell
from lakehead.shell.prompt import is_whole, run_shell, statements
from tests.small_lake import Lake, event, make_lake


@pytest.fixture
def shell(shop: Lake) -> Shell:
    return Shell(shop.settings, sys.stdout, format="csv")


def ran(shell: Shell, capsys: pytest.CaptureFixture[str], *texts: str) -> list[str]:
    shell.out = sys.stdout
    for text in texts:
        shell.run(text)
    return capsys.readouterr().out.splitlines()


def test_sql(shell: Shell, capsys: pytest.CaptureFixture[str]) -> None:
    assert ran(shell, capsys, "SELECT count(*) AS n FROM landing.orders;") == ["n", "3"]
    assert ran(shell, capsys, " ; ") == []
    shell.format = "table"
    *_, rows, seconds = ran(shell, capsys, "SELECT 1 AS n")
    assert rows == "(1 row)" and seconds.endswith(" s")


def test_commands(shell: Shell, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert ran(shell, capsys, r"\d")[1].startswith("landing.orders,3,1,")
    assert ran(shell, capsys, r"\d MARTS.m;")[3].startswith("id,VARCHAR,")
    assert len(ran(shell, capsys, r"\s landing.orders")) == 4
    assert len(ran(shell, capsys, r"\s landing.orders 2")) == 3
    assert ran(shell, capsys, r"\f jsonl", "SELECT 1 AS n") == ['{"n": 1}']
    path = tmp_path / "a.csv"
    assert ran(shell, capsys, rf"\o {path}", "SELECT 1 AS n", "SELECT 2 AS n") == [
        f"1 rows to {path}",
        '{"n": 2}',
    ]
    assert path.read_bytes() == b"n\r\n1\r\n"
    help_ = ran(shell, capsys, r"\h")
    assert all(
        any(line.startswith(f"  \\{name} ") for line in help_) for name in NAMES if name != "h"
    )
    with pytest.raises(Quit):
        shell.run(r"\q")


def test_as_of(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    lake = make_lake(tmp_path)
    lake.land(event(0, 1))
    first = lake.settings
    from lakehead.lake.snapshots import table_state

    then = table_state(first, "landing.orders").snapshot_id
    lake.land(event(1, 2))
    shell = Shell(first, sys.stdout, format="csv")
    count = "SELECT count(*) AS n FROM landing.orders"
    assert ran(shell, capsys, rf"\asof {then}", count) == [f"as of snapshot {then}", "n", "1"]
    assert ran(shell, capsys, r"\asof now", count) == ["as of now", "n", "2"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (r"\x", r"\\x is no command"),
        (r"\s", r"\\s is no command"),
        (r"\s landing.orders many", "'many' is no number of rows"),
        (r"\d landing.order", r"did you mean landing\.orders"),
        (r"\f xml", "no format 'xml'"),
        (r"\o a.xml", "does not say its format"),
        (r"\asof tomorrow morning", "is no moment"),
        ("COPY landing.orders TO 'x'", "may only read"),
        ("SELECT * FROM read_csv('/etc/passwd')", "may not be used"),
    ],
)
def test_what_is_wrong_is_said(shell: Shell, text: str, message: str) -> None:
    with pytest.raises(LakeheadError, match=message):
        shell.run(text)


def test_statements_of_several_lines() -> None:
    lines = ["SELECT 1\n", "FROM t;\n", "\n", "\\d\n", "SELECT 2"]
    found = [s for s in statements(lines) if s.strip()]
    assert found == ["SELECT 1\nFROM t;\n", "\\d\n", "SELECT 2"]
    assert is_whole("SELECT 1; ") and is_whole(r"\d t") and not is_whole("SELECT 1\n")


def test_a_pipe_is_run_and_stops_at_what_is_wrong(
    shop: Lake, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = "\\f csv\nSELECT 1 AS n;\nSELECT nonsense;\nSELECT 2 AS n;\n"
    monkeypatch.setattr(sys, "stdin", io.StringIO(text))
    with pytest.raises(UserError, match="nonsense"):
        run_shell(shop.settings)
    assert capsys.readouterr().out.splitlines() == ["n", "1"]
    monkeypatch.setattr(sys, "stdin", io.StringIO("\\q\nSELECT nonsense;\n"))
    run_shell(shop.settings)


def test_without_a_lake(no_lake: Path) -> None:
    with pytest.raises(UserError, match="there is no lake yet"):
        run_shell(Settings(home=no_lake, project=no_lake))


class Terminal:
    """A shell in a terminal, driven by its keys."""

    def __init__(self, settings: Settings) -> None:
        self.leader, terminal = pty.openpty()
        self.seen = b""
        environment = os.environ | {"PROMPT_TOOLKIT_NO_CPR": "1", "TERM": "xterm", "PAGER": ""}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "lakehead.cli", "shell", "--home", str(settings.home)],
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
            env=environment,
            cwd=settings.project,
        )
        os.close(terminal)

    def wait_for(self, text: str) -> None:
        """Read on until ``text`` has come, and past it."""
        end = time.monotonic() + 60
        while text.encode() not in self.seen:
            assert self._read(end - time.monotonic()), f"no {text!r} in {self.seen!r}"
        self.seen = self.seen.partition(text.encode())[2]

    def type(self, text: str) -> None:
        os.write(self.leader, text.encode())

    def end(self) -> int:
        """Read what is still written; gives the exit code."""
        while self._read(30):
            pass
        return self.process.wait(30)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self.leader)

    def _read(self, seconds: float) -> bool:
        if not select.select([self.leader], [], [], max(0, seconds))[0]:
            return False
        try:
            self.seen += os.read(self.leader, 65536)
        except OSError:
            # Nobody has the terminal open any more.
            return False
        return True


def test_a_terminal(shop: Lake) -> None:
    """Lines go on until the semicolon; what is wrong and Ctrl-C end nothing; history is kept."""
    terminal = Terminal(shop.settings)
    try:
        terminal.wait_for("lake>")
        terminal.type("SELECT count(*) + 900 AS many\rFROM landing.orders;\r")
        terminal.wait_for("903")
        terminal.wait_for("lake>")
        terminal.type("SELECT nonsense;\r")
        terminal.wait_for('error: Binder Error: Referenced column "nonsense"')
        terminal.wait_for("lake>")
        terminal.type("SELECT half\x03")
        terminal.type("SELECT 800 + 4 AS n;\r")
        terminal.wait_for("804")
        terminal.wait_for("lake>")
        terminal.type("\\q\r")
        assert terminal.end() == 0
    finally:
        terminal.close()
    history = shop.settings.home / "shell-history"
    assert "+FROM landing.orders;" in history.read_text().splitlines()
    assert stat.S_IMODE(history.stat().st_mode) == 0o600
