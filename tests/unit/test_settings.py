import json
from pathlib import Path

import pytest

from lakehead.errors import UserError
from lakehead.settings import (
    INSTALL_ROOT,
    Ports,
    Settings,
    Tuning,
    find_project,
    load_settings,
)


def test_home_is_the_option_then_the_variable_then_the_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "schemas").mkdir()
    (tmp_path / "pipelines").mkdir()
    (tmp_path / "deep").mkdir()
    monkeypatch.chdir(tmp_path / "deep")
    monkeypatch.delenv("LAKEHEAD_HOME", raising=False)
    assert load_settings().home == tmp_path / ".lakehead"
    monkeypatch.setenv("LAKEHEAD_HOME", str(tmp_path / "b"))
    assert load_settings().home == tmp_path / "b"
    assert load_settings(tmp_path / "c").home == tmp_path / "c"


def test_what_was_saved_is_loaded(tmp_path: Path) -> None:
    settings = Settings(
        tmp_path, tmp_path, Tuning(port_base=20_000, checkpoint_seconds=0.5, extras=("registry",))
    )
    settings.save()
    assert load_settings(tmp_path).tuning == settings.tuning


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "not readable JSON"),
        ("[]", "expected an object"),
        ('{"colour": 1}', "unknown setting 'colour'"),
        ('{"port_base": "x"}', "port_base is 'x'"),
        ('{"port_base": true}', "port_base is True"),
        ('{"parallelism": 0}', "parallelism is 0"),
        ('{"parallelism": -1}', "parallelism is -1"),
        ('{"parallelism": 2.5}', "parallelism is 2.5, expected a whole number"),
        ('{"parallelism": null}', "parallelism is None"),
        ('{"kafka_heap_mb": NaN}', "kafka_heap_mb is nan"),
        ('{"kafka_heap_mb": Infinity}', "kafka_heap_mb is inf"),
        ('{"checkpoint_seconds": NaN}', "checkpoint_seconds is nan"),
        ('{"checkpoint_seconds": 0.001}', "checkpoint_seconds is 0.001, expected 0.01 to"),
        ('{"port_base": 80}', "port_base is 80, expected 1024 to 65000"),
        ('{"port_base": 65530}', "port_base is 65530"),
        ('{"extras": "registry"}', "extras is 'registry', expected a list of registry"),
        ('{"extras": ["spark"]}', r"extras is \['spark'\], expected a list of registry"),
        ('{"extras": [1]}', "expected a list of registry"),
    ],
)
def test_bad_settings_are_named(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "settings.json").write_text(text)
    with pytest.raises(UserError, match=says):
        load_settings(tmp_path)


def test_bad_settings_name_their_file(tmp_path: Path) -> None:
    (tmp_path / "settings.json").write_bytes(b"\xff")
    with pytest.raises(UserError) as caught:
        load_settings(tmp_path)
    assert str(tmp_path / "settings.json") in caught.value.message
    assert caught.value.hint


def test_settings_that_are_not_given_have_defaults(tmp_path: Path) -> None:
    (tmp_path / "settings.json").write_text('{"parallelism": 4}')
    assert load_settings(tmp_path).tuning == Tuning(parallelism=4)


def test_an_empty_variable_is_no_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAKEHEAD_HOME", "")
    monkeypatch.chdir(tmp_path)
    found = load_settings()
    assert found.home == found.project / ".lakehead"


def test_a_home_is_made_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert load_settings(Path("here")).home == tmp_path / "here"


def test_a_tilde_is_the_persons_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("LAKEHEAD_HOME", "~/lake")
    assert load_settings().home == tmp_path / "lake"


def test_loading_makes_nothing(tmp_path: Path) -> None:
    load_settings(tmp_path / "home")
    assert list(tmp_path.iterdir()) == []


def test_a_project_needs_both_folders(tmp_path: Path) -> None:
    (tmp_path / "schemas").mkdir()
    assert find_project(tmp_path) == INSTALL_ROOT


def test_the_nearest_project_wins(tmp_path: Path) -> None:
    for root in (tmp_path, tmp_path / "inner"):
        (root / "schemas").mkdir(parents=True)
        (root / "pipelines").mkdir()
    assert find_project(tmp_path / "inner" / "schemas") == tmp_path / "inner"


def test_everything_of_a_stack_lies_in_its_home(tmp_path: Path) -> None:
    settings = Settings(tmp_path / "home", tmp_path / "project")
    places = (
        settings.catalog_db,
        settings.warehouse,
        settings.logs,
        settings.run,
        settings.kafka,
        settings.registry,
        settings.checkpoints,
        settings.savepoints,
        settings.job_records,
        settings.manifests,
    )
    assert all(p.is_relative_to(settings.home) for p in places)
    assert len(set(places)) == len(places)


def test_addresses_are_on_loopback_and_follow_the_port_base(tmp_path: Path) -> None:
    settings = Settings(tmp_path, tmp_path, Tuning(port_base=30_000))
    assert settings.bootstrap == "127.0.0.1:30000"
    assert settings.flink_url == "http://127.0.0.1:30002"
    assert settings.registry_url == "http://127.0.0.1:30007/apis/ccompat/v7"


def test_two_port_bases_eleven_apart_share_no_port() -> None:
    one, two = (set(Ports(base).all().values()) for base in (20_000, 20_011))
    assert not one & two


def test_spark_may_run_elsewhere_with_settings_of_its_own(tmp_path: Path) -> None:
    said = {"spark_master": "spark://host:7077", "spark_conf": {"spark.executor.memory": "4g"}}
    (tmp_path / "settings.json").write_text(json.dumps(said))
    tuning = load_settings(tmp_path).tuning
    assert (tuning.spark_master, tuning.spark_conf) == tuple(said.values())
    load_settings(tmp_path).save()
    assert load_settings(tmp_path).tuning == tuning


@pytest.mark.parametrize(
    ("said", "names"),
    [
        ({"spark_master": 7077}, "spark_master is 7077, expected such as"),
        ({"spark_master": "a b"}, "spark_master is 'a b', expected such as"),
        ({"spark_conf": ["x"]}, r"spark_conf is \['x'\], expected names"),
        ({"spark_conf": {"executor": "1"}}, "expected names that begin with 'spark.'"),
        ({"spark_conf": {"spark.cores": 1}}, "expected names that begin with 'spark.' and texts"),
    ],
)
def test_what_spark_cannot_be_set_to_is_refused(
    tmp_path: Path, said: dict[str, object], names: str
) -> None:
    (tmp_path / "settings.json").write_text(json.dumps(said))
    with pytest.raises(UserError, match=names):
        load_settings(tmp_path)
