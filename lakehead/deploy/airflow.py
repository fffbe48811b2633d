"""Values for Airflow's own Helm chart. Secrets by their names, no user with a known password.

Source: the chart's values.schema.json, 1.22.
"""

from typing import Any

from lakehead.deploy.profile import Profile
from lakehead.deploy.site import CREDENTIAL


def values(profile: Profile) -> dict[str, Any]:
    """The DAGs are those of the image; each task calls the command line."""
    airflow = profile.airflow
    repository, _, tag = profile.images.airflow.rpartition(":")
    return {
        "executor": airflow.executor,
        "images": {"airflow": {"repository": repository, "tag": tag, "pullPolicy": "IfNotPresent"}},
        "fernetKeySecretName": airflow.fernet_secret,
        "apiSecretKeySecretName": airflow.api_secret,
        "jwtSecretName": airflow.jwt_secret,
        "data": {"metadataSecretName": airflow.metadata_secret},
        # The chart's own database and first user have passwords that everybody knows.
        "postgresql": {"enabled": False},
        "createUserJob": {"enabled": False},
        "env": [
            {"name": "AWS_REGION", "value": profile.s3.region},
            {"name": "AIRFLOW__CORE__LOAD_EXAMPLES", "value": "False"},
            {"name": "AIRFLOW__CORE__DAGS_FOLDER", "value": "/opt/lakehead/dags"},
        ],
        "secret": _secrets(profile),
        "dags": {"persistence": {"enabled": False}, "gitSync": {"enabled": False}},
    }


def _secrets(profile: Profile) -> list[dict[str, str]]:
    """Environment variables of every container, from Secrets."""
    oauth2, s3 = profile.catalog.oauth2, profile.s3
    named = []
    if oauth2:
        named.append((CREDENTIAL, oauth2.secret, oauth2.key))
    if s3.secret:
        named.append(("AWS_ACCESS_KEY_ID", s3.secret, s3.access_key))
        named.append(("AWS_SECRET_ACCESS_KEY", s3.secret, s3.secret_key))
    return [{"envName": e, "secretName": s, "secretKey": k} for e, s, k in named]
