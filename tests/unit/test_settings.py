from pathlib import Path

import pytest

from lakehead.errors import UserError
from lakehead.settings import Settings, Tuning, load_settings, write_whole


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
    settings = Settings(tmp_path, tmp_path, Tuning(port_base=20_000, checkpoint_seconds=0.5))
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
    ],
)
def test_bad_settings_are_named(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "settings.json").write_text(text)
    with pytest.raises(UserError, match=says):
        load_settings(tmp_path)


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "a" / "file"
    write_whole(path, "one")
    write_whole(path, "two")
    assert path.read_text() == "two"
    assert [p.name for p in path.parent.iterdir()] == ["file"]
