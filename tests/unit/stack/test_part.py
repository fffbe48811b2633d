"""One part by itself: how it is started, and how others see that it runs."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lakehead.cli.main import app
from lakehead.errors import NotRunning, UserError
from lakehead.settings import Settings
from lakehead.stack import health, holding, lifecycle, part
from lakehead.stack.java import java_home
from lakehead.stack.supervisor import HOME_VARIABLE, Supervisor

HOLD = """
import sys
from pathlib import Path
from lakehead.settings import Settings
from lakehead.stack import holding
holding.hold(Settings(Path(sys.argv[1]), Path(sys.argv[1])), sys.argv[2])
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def home(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path, project=tmp_path)


def holder(home: Settings, name: str) -> "subprocess.Popen[str]":
    """A process that holds a part until its input ends."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(home.home), name],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    assert process.stdout.readline() == "held\n"
    return process


def end(process: "subprocess.Popen[str]") -> None:
    process.kill()
    process.communicate()


def test_a_part_is_started_as_supervisord_would(home: Settings) -> None:
    supervised = {p.name: p for p in lifecycle.programs(home, java_home())}
    for name, program in supervised.items():
        assert part.program(home, name) == program
    assert set(part.PARTS) - supervised.keys() == {"registry", "query"}


def test_words_come_at_the_end_of_the_command(home: Settings) -> None:
    plain = part.program(home, "taskmanager").command
    assert part.program(home, "taskmanager", ["-Da=1", "-Db=2"]).command == [
        *plain,
        "-Da=1",
        "-Db=2",
    ]


def test_a_part_is_not_marked_as_supervised(home: Settings) -> None:
    """Else ``up`` on its home would end it."""
    for name in part.PARTS:
        assert HOME_VARIABLE not in part.program(home, name).environment


def test_an_unknown_part_is_told_with_those_there_are(home: Settings) -> None:
    for call in (part.program, part.prepare):
        with pytest.raises(UserError, match="no part 'kafak'; known: kafka, jobmanager") as caught:
            call(home, "kafak")
        assert caught.value.hint == "lakehead part --help"


def test_flink_is_laid_out_for_the_parts_that_read_it(home: Settings) -> None:
    for name in ("jobmanager", "taskmanager", "controller"):
        part.prepare(home, name)
        assert (home.flink / "conf" / "config.yaml").exists()
        assert list((home.flink / "lib").glob("flink-dist-*.jar"))
    part.prepare(home, "settler")
    assert not home.kafka.exists()


def test_what_holds_a_part_is_seen_until_it_is_killed(home: Settings) -> None:
    assert holding.held(home) == []
    process = holder(home, "kafka")
    [state] = holding.held(home)
    assert (state.name, state.state, state.pid) == ("kafka", "RUNNING", process.pid)
    end(process)
    assert holding.held(home) == []


def test_files_that_are_just_being_written_are_no_parts(home: Settings) -> None:
    """Such a one is gone before it can be opened."""
    home.run.mkdir()
    (home.run / "supervisord.conf.1.part").symlink_to("gone")
    assert holding.held(home) == []


def test_a_part_is_not_held_twice_but_for_taskmanagers(home: Settings) -> None:
    one = holder(home, "kafka")
    with pytest.raises(UserError, match=f"kafka runs already on {home.home}"):
        holding.hold(home, "kafka")
    two, three = holder(home, "taskmanager"), holder(home, "taskmanager")
    assert [s.name for s in holding.held(home)] == ["kafka", "taskmanager"]
    end(two)
    assert [s.name for s in holding.held(home)] == ["kafka", "taskmanager"]
    end(three)
    assert [s.name for s in holding.held(home)] == ["kafka"]
    end(one)


def test_what_a_holder_becomes_goes_on_holding(home: Settings) -> None:
    code = HOLD.replace("sys.stdin.read()", "import os; os.execvp('cat', ['cat'])")
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(home.home), "settler"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin
    assert process.stdout
    assert process.stdout.readline() == "held\n"
    # Once cat answers, it is cat that holds.
    process.stdin.write("cat\n")
    process.stdin.flush()
    assert process.stdout.readline() == "cat\n"
    assert [s.pid for s in holding.held(home)] == [process.pid]
    end(process)
    assert holding.held(home) == []


def test_a_process_id_of_another_namespace_is_none(home: Settings) -> None:
    process = holder(home, "kafka")
    (home.run / "kafka.held").write_text(str(2**22 + 1))
    assert [s.pid for s in holding.held(home)] == [0]
    end(process)


def test_a_stack_is_up_by_its_controller(home: Settings) -> None:
    from lakehead.cli.options import require_up

    for name, up in (("kafka", False), ("controller", True)):
        process = holder(home, name)
        assert holding.is_up(home) is up
        if up:
            require_up(home)
        else:
            with pytest.raises(NotRunning):
                require_up(home)
        end(process)


def test_status_tells_of_parts_without_a_supervisor(home: Settings) -> None:
    process = holder(home, "settler")
    [found] = health.parts(home)
    assert (found.name, found.healthy, found.pid) == ("settler", False, process.pid)
    assert found.memory_mb > 0
    health.ready_file(home, "settler").touch()
    assert health.parts(home)[0].healthy
    end(process)
    assert health.parts(home) == []


def test_check_exits_with_1_where_a_part_does_not_answer(home: Settings) -> None:
    def check(*arguments: str) -> tuple[int, dict[str, bool]]:
        words = ["part", "check", *arguments, "--home", str(home.home), "--json"]
        done = CliRunner().invoke(app, words)
        return done.exit_code, json.loads(done.stdout)["answers"]

    home.run.mkdir()
    process = holder(home, "controller")
    assert check("controller") == (1, {"controller": False})
    health.ready_file(home, "controller").touch()
    assert check("controller") == (0, {"controller": True})
    end(process)
    # What it said is still there, and it is not.
    assert check("controller") == (1, {"controller": False})
    (home.home / "settings.json").write_text('{"port_base": 1024, "extras": ["query"]}')
    code, found = check()
    assert code == 1
    assert list(found) == [*health.CORE, "query"]


def test_every_part_can_be_checked_also_those_that_do_not_run_alone(home: Settings) -> None:
    for name in health.ALL:
        done = CliRunner().invoke(app, ["part", "check", name, "--home", str(home.home), "--json"])
        assert (done.exit_code, json.loads(done.stdout)) == (1, {"answers": {name: False}})
    with pytest.raises(UserError, match=r"no part 'kafak'; known: kafka, .* airflow-api"):
        CliRunner().invoke(app, ["part", "check", "kafak"], catch_exceptions=False)


def test_a_second_start_leaves_what_the_first_reads(home: Settings) -> None:
    process = holder(home, "kafka")
    with pytest.raises(UserError, match="kafka runs already"):
        part.run(home, "kafka")
    assert not home.kafka.exists()
    end(process)


def test_up_down_and_part_run_leave_a_home_to_the_other(
    home: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = holder(home, "controller")
    with pytest.raises(UserError, match=f"controller of {home.home} run by themselves"):
        lifecycle.up(home)
    with pytest.raises(UserError, match="run by themselves"):
        lifecycle.down(home)
    end(process)
    lifecycle.down(home)
    monkeypatch.setattr(Supervisor, "pid", os.getpid())
    with pytest.raises(UserError, match=f"the stack of {home.home} is up, settler with it"):
        part.run(home, "settler")


def test_a_dry_run_prints_a_command_and_starts_nothing(home: Settings) -> None:
    words = ["part", "run", "controller", "--home", str(home.home), "--dry-run"]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0
    assert done.stdout.rstrip().endswith(f"-m lakehead.jobs.controller {home.home}")
    assert "FLINK_CONF_DIR=" in done.stdout
    as_json = json.loads(CliRunner().invoke(app, [*words, "--json"]).stdout)
    assert as_json["command"] == part.program(home, "controller").command
    assert os.listdir(home.home) == []
