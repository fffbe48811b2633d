"""What every Spark job here begins and ends with."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from pyspark.sql import SparkSession


@contextmanager
def session(spec: Mapping[str, Any], name: str) -> Iterator[SparkSession]:
    """A session by ``spec``: ``session`` are Spark's settings, ``catalog`` is the current one."""
    builder = SparkSession.builder.appName(f"lakehead {name}")
    for key, value in spec["session"].items():
        builder = builder.config(key, value)
    say("starting Spark")
    spark = builder.getOrCreate()
    try:
        spark.catalog.setCurrentCatalog(spec["catalog"])
        yield spark
    finally:
        spark.stop()


def say(text: str) -> None:
    """Tell the command line how far it is."""
    print(text, flush=True)
