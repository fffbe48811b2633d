"""What Airflow is told: loopback alone, secrets in files of their owner, no word to anyone."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.request import proxy_bypass

import pytest

from lakehead.errors import UserError
from lakehead.settings import EXTRAS, Settings, Tuning
from lakehead.stack import airflow, extras, lifecycle


@pytest.fixture
def home(tmp_path: Path) -> Settings:
    return Settings(tmp_path / "home", tmp_path, Tuning(extras=("airflow",)))


def test_every_extra_has_a_record() -> None:
    assert tuple(extra.name for extra in extras.EXTRAS) == EXTRAS


def test_its_processes_are_part_of_the_stack(home: Settings) -> None:
    programs = {p.name: p for p in lifecycle.programs(home, Path("/java"))}
    ours = {airflow.API, airflow.SCHEDULER, airflow.PROCESSOR}
    assert ours <= set(programs)
    # The scheduler would else serve logs to every address.
    assert "--skip-serve-logs" in programs[airflow.SCHEDULER].command
    assert {p.environment["AIRFLOW__API__HOST"] for n, p in programs.items() if n in ours} == {
        "127.0.0.1"
    }


def test_secrets_are_made_once_in_files_and_told_to_nobody(home: Settings) -> None:
    # `up` and `dag run` of a new home, at once.
    with ThreadPoolExecutor() as both:
        done = [both.submit(airflow.prepare, home, lambda _: None) for _ in range(2)]
    assert [each.exception() for each in done] == [None, None]
    place = airflow.folder(home)
    private = [place / name for name in ("fernet.key", "jwt.key", "session.key", "passwords.json")]
    assert all(path.stat().st_mode & 0o077 == 0 for path in private)
    told = airflow.environment(home)
    texts = [path.read_text() for path in private[:3]]
    assert not any(text in value for text in texts for value in told.values())
    assert told["AIRFLOW__USAGE_DATA_COLLECTION__ENABLED"] == "False"
    before = [path.read_text() for path in private]
    airflow.prepare(home, lambda _: None)
    assert [path.read_text() for path in private] == before


@pytest.mark.parametrize("said", ["", "example.com"])
def test_its_processes_reach_each_other_without_a_proxy(
    home: Settings, monkeypatch: pytest.MonkeyPatch, said: str
) -> None:
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.setenv("NO_PROXY", said)
    monkeypatch.setenv("http_proxy", "http://proxy.example.com")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, airflow.environment(home)[name])
    assert proxy_bypass("127.0.0.1")
    assert bool(proxy_bypass("example.com")) is bool(said)
    assert not proxy_bypass("example.org")


def test_the_login_is_shown_once(home: Settings) -> None:
    airflow.folder(home).mkdir(parents=True)
    (airflow.folder(home) / "passwords.json").write_text(json.dumps({airflow.USER: "secret"}))
    assert airflow.login(home) == (airflow.USER, "secret")
    assert airflow.login(home) is None


def test_without_airflow_up_says_how_to_get_it(
    home: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(airflow, "installed", lambda: False)
    with pytest.raises(UserError, match="Airflow is not installed") as error:
        airflow.prepare(home, lambda _: None)
    assert "--extra airflow" in error.value.hint


def test_a_project_may_have_dags_of_its_own(home: Settings) -> None:
    assert airflow.dags_folder(home).is_dir()
    (home.project / "dags").mkdir()
    assert airflow.dags_folder(home) == home.project / "dags"
