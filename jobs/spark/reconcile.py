"""Recompute the closed rows of models from the landed ones, and replace them in their marts.

Used by ``lakehead reconcile``:  python jobs/spark/reconcile.py SPEC.json RESULT.json

SPEC.json has ``session`` (Spark settings), ``catalog``, ``dry_run``, and by name ``models``, each
with ``landing`` (by view, the table and the snapshot of each stream, that of the offsets first),
``mart``, ``batch`` (the model's answer over these views), ``closed`` (which rows), ``differing``
and ``merge`` (SQL), and maybe ``kept``: a table, and which rows of it the mart takes as they are,
in the place of its own. In these ```fence$``` stands for offsets that the landed rows reach.

Progress goes to standard output, a line each; the counts to RESULT.json. Run twice, it changes
nothing the second time.
"""

import json
import sys
from pathlib import Path
from typing import Any

from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from session import say, session


def main(spec_path: Path, result_path: Path) -> None:
    spec = json.loads(spec_path.read_text())
    with session(spec, "reconcile") as spark:
        result = {
            name: reconcile(spark, name, model, spec["dry_run"])
            for name, model in spec["models"].items()
        }
    result_path.write_text(json.dumps(result))


def reconcile(
    spark: SparkSession, name: str, spec: dict[str, Any], dry_run: bool
) -> dict[str, object]:
    for view, read in spec["landing"].items():
        landed = spark.read.option("versionAsOf", read["snapshot"]).table(read["table"])
        landed.createOrReplaceTempView(view)
    if kept := spec.get("kept"):
        say(f"taking over what is kept of {kept['table']}")
        rows = spark.table(kept["table"]).where(kept["rows"])
        rows.writeTo(spec["mart"]).overwrite(F.expr(kept["rows"]))
    fence = offsets_fence(spark, spec["landing"])
    say(f"recomputing {name}")
    closed, merge = (spec[k].replace("`fence$`", reached(fence)) for k in ("closed", "merge"))
    batch = spark.sql(spec["batch"]).where(closed)
    batch = batch.withColumn("settled_offsets", F.lit(json.dumps(fence)))
    # What is compared must be what is written, and is small: keep it.
    batch = batch.cache()
    batch.createOrReplaceTempView("batch")
    spark.table(spec["mart"]).where(closed).createOrReplaceTempView("closed_mart")
    [row] = spark.sql(spec["differing"]).collect()
    counts: dict[str, object] = row.asDict()
    differs = any(counts[k] for k in ("added", "removed", "changed", "settled"))
    if differs and not dry_run:
        say(f"replacing what differs in {spec['mart']}")
        spark.sql(merge)
    batch.unpersist()
    return counts | {"offsets": fence}


def offsets_fence(spark: SparkSession, landing: dict[str, dict[str, str]]) -> dict[str, int]:
    """By partition, the last offset that the landed rows hold.

    Of a second stream the partition is named with it: ``payments/0``.
    """
    fence: dict[str, int] = {}
    for i, (view, read) in enumerate(landing.items()):
        prefix = f"{read['table'].split('.')[-1]}/" if i else ""
        rows = spark.sql(
            f"SELECT kafka_partition p, max(kafka_offset) o FROM `{view}` GROUP BY 1 ORDER BY 1"
        )
        fence |= {f"{prefix}{r.p}": r.o for r in rows.collect()}
    return fence


def reached(fence: dict[str, int]) -> str:
    """Whether a row's offset, of the first stream, is one that the landed rows reach."""
    own = {p: o for p, o in fence.items() if "/" not in p}
    parts = [f"(kafka_partition = {p} AND kafka_offset <= {o})" for p, o in own.items()]
    return f"({' OR '.join(parts) or 'FALSE'})"


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
