"""The configuration, read back as supervisord itself reads it."""

import os
import shlex
from pathlib import Path
from typing import Any

import pytest
from supervisor.options import ServerOptions

from lakehead.settings import Settings
from lakehead.stack.supervisor import HOME_VARIABLE, Program, Supervisor


class Refused(Exception):
    """supervisord does not take the configuration."""


def read_back(home: Path, program: Program) -> Any:
    """What supervisord makes of the configuration of one program."""
    settings = Settings(home=home, project=home)
    settings.run.mkdir(parents=True)
    settings.logs.mkdir()
    path = settings.run / "supervisord.conf"
    path.write_text(Supervisor(settings)._configuration([program]))
    options = ServerOptions()
    try:
        options.realize(["-c", str(path)])
    except SystemExit as error:
        raise Refused from error
    return options


def program_of(options: Any) -> Any:
    return options.process_group_configs[0].process_configs[0]


@pytest.mark.parametrize(
    "word",
    [
        "plain",
        "a b",
        "100%",
        "%(here)s",
        "%%",
        'say "x"',
        "it's",
        "back\\slash",
        "a;b",
        "a#b",
        "$HOME",
        "*",
        "é",
    ],
)
def test_a_word_of_a_command_comes_back(tmp_path: Path, word: str) -> None:
    options = read_back(tmp_path / "h", Program("p", ["/bin/echo", word, "end"], {}))
    assert shlex.split(program_of(options).command) == ["/bin/echo", word, "end"]


@pytest.mark.parametrize(
    "value",
    [
        "plain",
        "50% of, it",
        "a=b",
        "it's",
        "%(here)s",
        "",
    ],
)
def test_a_value_of_the_environment_comes_back(tmp_path: Path, value: str) -> None:
    program = Program("p", ["/bin/true"], {"KEY": value, "OTHER": "1"})
    environment = program_of(read_back(tmp_path / "h", program)).environment
    assert environment == {"KEY": value, "OTHER": "1", HOME_VARIABLE: str(tmp_path / "h")}


@pytest.mark.parametrize(
    "name",
    [
        "plain",
        "with space",
        "it's",
        "é",
        "a,b",
    ],
)
def test_a_home_of_any_name_can_be_supervised(tmp_path: Path, name: str) -> None:
    home = tmp_path / name
    options = read_back(home, Program("p", ["/bin/true"], {}))
    assert options.logfile == str(home / "logs" / "supervisord.log")
    assert options.pidfile == str(home / "run" / "supervisord.pid")
    assert options.childlogdir == str(home / "logs")
    assert program_of(options).directory == str(home)
    assert program_of(options).stdout_logfile == str(home / "logs" / "p.log")
    assert program_of(options).environment[HOME_VARIABLE] == str(home)


def test_the_socket_is_for_its_owner_alone_and_no_port_is_opened(tmp_path: Path) -> None:
    options = read_back(tmp_path / "h", Program("p", ["/bin/true"], {}))
    (server,) = options.server_configs
    assert server["section"] == "unix_http_server"
    assert server["chmod"] == 0o700
    assert server["file"] == str(tmp_path / "h" / "run" / "supervisor.sock")


def test_a_program_is_restarted_and_stopped_with_its_children(tmp_path: Path) -> None:
    options = read_back(tmp_path / "h", Program("p", ["/bin/true"], {}, stop_seconds=30))
    program = program_of(options)
    assert program.stopwaitsecs == 30
    assert program.stopasgroup
    assert program.killasgroup
    assert program.redirect_stderr
    assert program.autostart


def test_the_log_of_a_program_does_not_grow_without_end(tmp_path: Path) -> None:
    program = program_of(read_back(tmp_path / "h", Program("p", ["/bin/true"], {})))
    assert program.stdout_logfile_maxbytes == 20 * 2**20
    assert program.stdout_logfile_backups == 2


def test_two_long_homes_have_two_sockets(tmp_path: Path) -> None:
    homes = [tmp_path / (letter * 120) for letter in "ab"]
    sockets = {Supervisor(Settings(home, tmp_path))._socket() for home in homes}
    assert len(sockets) == 2
    assert not any(s.is_relative_to(h) for s in sockets for h in homes)


def test_a_long_home_has_the_same_socket_each_time(tmp_path: Path) -> None:
    settings = Settings(tmp_path / ("x" * 120), tmp_path)
    assert Supervisor(settings)._socket() == Supervisor(settings)._socket()


@pytest.mark.parametrize("text", ["", "abc", "-1", "0", "99999999"])
def test_a_pid_file_of_nothing_counts_for_nothing(tmp_path: Path, text: str) -> None:
    settings = Settings(tmp_path, tmp_path)
    settings.run.mkdir()
    (settings.run / "supervisord.pid").write_text(text)
    assert Supervisor(settings).pid is None


def test_the_process_that_asks_is_no_leftover(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lakehead.stack.supervisor import leftover_processes

    monkeypatch.setitem(os.environ, HOME_VARIABLE, str(tmp_path))
    assert leftover_processes(tmp_path) == []
