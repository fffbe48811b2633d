"""The Spark operator's manifest of the batch, suspended: see docs/cluster.md.

Source: the operator's custom resource, sparkoperator.k8s.io/v1beta2.
"""

from typing import Any

from lakehead.deploy.flink import lake_variables
from lakehead.deploy.manifest import Manifest, manifest
from lakehead.deploy.profile import Profile
from lakehead.deploy.site import JOB, rest_properties
from lakehead.lake.catalog import CATALOG

_SCRIPT = "/opt/lakehead/jobs/spark/reconcile.py"
_NAME = "lakehead-reconcile"


def reconcile(profile: Profile) -> Manifest:
    """``reconcile`` by the clock. Its specification is of one run: nothing renders that."""
    spark = profile.spark
    pod = {"env": lake_variables(profile), "labels": {"app.kubernetes.io/part-of": "lakehead"}}
    mounted = {"volumeMounts": [{"name": "job", "mountPath": JOB, "readOnly": True}]}
    template: dict[str, Any] = {
        "type": "Python",
        "pythonVersion": "3",
        "mode": "cluster",
        "sparkVersion": spark.version,
        "image": profile.images.spark,
        "mainApplicationFile": f"local://{_SCRIPT}",
        "arguments": [f"{JOB}/spec.json", "/tmp/result.json"],
        "sparkConf": configuration(profile),
        # Run anew by hand: what a run was asked for may have changed meanwhile.
        "restartPolicy": {"type": "Never"},
        "volumes": [{"name": "job", "configMap": {"name": _NAME}}],
        "driver": {
            "cores": 1,
            "memory": f"{spark.driver_mb}m",
            "serviceAccount": spark.service_account,
            **pod,
            **mounted,
        },
        "executor": {
            "instances": spark.executors,
            "cores": spark.executor_cores,
            "memory": f"{spark.executor_mb}m",
            **pod,
        },
    }
    spec = {
        "schedule": spark.schedule,
        "timeZone": "UTC",
        "suspend": True,
        # Two would replace the same rows.
        "concurrencyPolicy": "Forbid",
        "template": template,
    }
    return manifest(
        "sparkoperator.k8s.io/v1beta2",
        "ScheduledSparkApplication",
        _NAME,
        profile.namespaces.spark,
        annotations={"lakehead.io/suspended": "nothing writes its spec.json yet: docs/cluster.md"},
        spec=spec,
    )


def configuration(profile: Profile) -> dict[str, str]:
    """Spark's settings: the REST catalog as ``lake``, and no jars, which the image has."""
    prefix = f"spark.sql.catalog.{CATALOG}"
    return {
        "spark.sql.extensions": (
            "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions"
        ),
        prefix: "org.apache.iceberg.spark.SparkCatalog",
        **{f"{prefix}.{key}": value for key, value in rest_properties(profile).items()},
        "spark.sql.session.timeZone": "UTC",
    }
