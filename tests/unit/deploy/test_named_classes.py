"""Classes that a cluster's properties name are in the jars that an image takes from here."""

import re
import zipfile
from pathlib import Path

import pytest

from lakehead.deploy.profile import Profile
from lakehead.deploy.site import kafka_properties, rest_properties
from lakehead.settings import INSTALL_ROOT, Settings

JARS = Settings(Path("/nonexistent"), INSTALL_ROOT).jars
pytestmark = pytest.mark.skipif(not JARS.is_dir(), reason="the jars were not fetched: make setup")


@pytest.mark.parametrize(
    ("folder", "pattern"),
    [
        ("flink", "flink-sql-connector-kafka-*.jar"),
        ("flink", "iceberg-flink-runtime-*.jar"),
        ("spark", "iceberg-spark-runtime-*.jar"),
    ],
)
def test_every_named_class_is_there(profile: Profile, folder: str, pattern: str) -> None:
    kafka = "kafka" in pattern
    properties = kafka_properties(profile, "u") if kafka else rest_properties(profile)
    named = set(re.findall(r"\borg\.apache\.[\w.]*\.[A-Z]\w+", " ".join(properties.values())))
    assert len(named) == 2
    [jar] = (JARS / folder).glob(pattern)
    with zipfile.ZipFile(jar) as archive:
        files = set(archive.namelist())
    assert {f"{name.replace('.', '/')}.class" for name in named} <= files
