"""The Flink Kubernetes Operator's manifests: each stream's job as an application of its own.

Source: the operator's custom resource, flink.apache.org/v1beta1.
"""

import json
from dataclasses import asdict
from typing import Any

from lakehead.deploy.manifest import Manifest, from_secret, manifest
from lakehead.deploy.profile import Profile
from lakehead.deploy.project import StreamJob
from lakehead.deploy.site import CREDENTIAL, JOB, KAFKA_CA, KAFKA_USER
from lakehead.errors import UserError
from lakehead.stack.flink import module_options

_PYTHON_DRIVER = "org.apache.flink.client.python.PythonDriver"
_SCRIPT = "/opt/lakehead/jobs/flink/run_statements.py"
# What Kubernetes stores of one object, less what stands around the statements.
_LARGEST = 2**20 - 4096


def application(profile: Profile, job: StreamJob) -> list[Manifest]:
    """The job's statements, and the deployment that runs them.

    The statements lie under a name that changes with them, so that a pod which is started again
    never reads others than its job's, and the operator sees that there are others.

    Raises:
        UserError: the statements are more than Kubernetes stores.
    """
    space = profile.namespaces.flink
    statements = f"{job.label}-{job.spec.fingerprint()}"
    text = json.dumps(asdict(job.spec), indent=2) + "\n"
    if len(text.encode()) > _LARGEST:
        raise UserError(
            f"the job of {job.contract.stream} has {len(text.encode()):,} bytes of statements, "
            f"expected at most {_LARGEST:,}, which is what Kubernetes stores",
            "fewer models on the stream",
        )
    labels = {"lakehead.io/stream": job.label}
    return [
        manifest(
            "v1", "ConfigMap", statements, space, labels, immutable=True, data={"spec.json": text}
        ),
        manifest(
            "flink.apache.org/v1beta1",
            "FlinkDeployment",
            job.label,
            space,
            labels,
            spec=_spec(profile, job, statements),
        ),
    ]


def _spec(profile: Profile, job: StreamJob, statements: str) -> dict[str, Any]:
    flink = profile.flink
    version = "_".join(flink.version.split(".")[:2])
    return {
        "image": profile.images.flink,
        "flinkVersion": f"v{version}",
        "mode": "native",
        "serviceAccount": flink.service_account,
        "flinkConfiguration": _configuration(profile, job),
        "podTemplate": _pod(profile, job, statements),
        "jobManager": {"replicas": 1, "resource": {"cpu": 1, "memory": f"{flink.jobmanager_mb}m"}},
        "taskManager": {
            "resource": {"cpu": flink.taskmanager_cores, "memory": f"{flink.taskmanager_mb}m"}
        },
        "job": {
            # PyFlink's driver, which starts the Python program that it is given.
            "jarURI": f"local:///opt/flink/opt/flink-python-{flink.version}.jar",
            "entryClass": _PYTHON_DRIVER,
            "args": [
                *("-pyclientexec", "python3", "-py", _SCRIPT),
                *(f"{JOB}/spec.json", "--application"),
            ],
            "parallelism": flink.parallelism,
            "state": "running",
            # A change stops the job with a savepoint. State that nobody claims stops the change.
            "upgradeMode": "savepoint",
            "allowNonRestoredState": False,
        },
    }


def _configuration(profile: Profile, job: StreamJob) -> dict[str, str]:
    """The cluster's settings; those of the job itself are in its specification."""
    flink, s3 = profile.flink, profile.s3
    folder = f"s3://{s3.bucket}/flink/{job.label}"
    settings = {
        "taskmanager.numberOfTaskSlots": str(flink.slots),
        "state.backend.type": flink.state_backend,
        "execution.checkpointing.dir": f"{folder}/checkpoints",
        "execution.checkpointing.savepoint-dir": f"{folder}/savepoints",
        "execution.checkpointing.num-retained": "3",
        "high-availability.type": "kubernetes",
        "high-availability.storageDir": f"{folder}/ha",
        "restart-strategy.type": "exponential-delay",
        "restart-strategy.exponential-delay.max-backoff": "1 min",
        # The operator's own default is for older versions of Flink.
        "env.java.opts.all": module_options(),
        # Else an exception that is thrown often loses its message, and dead records their cause.
        "env.java.opts.taskmanager": "-XX:-OmitStackTraceInFastThrow",
    }
    if flink.state_backend == "rocksdb":
        settings["execution.checkpointing.incremental"] = "true"
    if s3.endpoint:
        settings["s3.endpoint"] = s3.endpoint
    if s3.path_style:
        settings["s3.path.style.access"] = "true"
    return settings


def _pod(profile: Profile, job: StreamJob, statements: str) -> dict[str, Any]:
    """What JobManager and TaskManagers are given: statements, certificate, password, keys."""
    volumes = {
        "job": (JOB, {"configMap": {"name": statements}}),
        "kafka-user": (KAFKA_USER, _secret(job.user, "password")),
        "kafka-ca": (KAFKA_CA, _secret(profile.ca_secret, profile.kafka.ca_key)),
    }
    container = {
        # The name by which the operator knows Flink's own container.
        "name": "flink-main-container",
        "env": [
            # The Python process itself, not Beam, which is not in the image.
            {"name": "_python_worker_execution_mode", "value": "process"},
            {
                "name": "ENABLE_BUILT_IN_PLUGINS",
                "value": f"flink-s3-fs-hadoop-{profile.flink.version}.jar",
            },
            *lake_variables(profile),
        ],
        "volumeMounts": [
            {"name": name, "mountPath": path, "readOnly": True}
            for name, (path, _) in volumes.items()
        ],
    }
    return {
        "spec": {
            "containers": [container],
            "volumes": [{"name": name, **source} for name, (_, source) in volumes.items()],
        }
    }


def lake_variables(profile: Profile) -> list[dict[str, Any]]:
    """What Iceberg and S3 read from the environment, in Flink and in Spark."""
    s3, oauth2 = profile.s3, profile.catalog.oauth2
    variables: list[dict[str, Any]] = [{"name": "AWS_REGION", "value": s3.region}]
    if oauth2:
        variables.append(from_secret(CREDENTIAL, oauth2.secret, oauth2.key))
    if s3.secret:
        variables += [
            from_secret("AWS_ACCESS_KEY_ID", s3.secret, s3.access_key),
            from_secret("AWS_SECRET_ACCESS_KEY", s3.secret, s3.secret_key),
        ]
    return variables


def _secret(name: str, key: str) -> dict[str, Any]:
    return {"secret": {"secretName": name, "items": [{"key": key, "path": key}]}}
