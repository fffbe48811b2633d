"""What a cluster is to a stream's job, by its profile. A secret is named where it is mounted."""

from pathlib import Path

from lakehead.deploy.profile import Profile
from lakehead.jobs.site import Site
from lakehead.kafka_access import KafkaAccess, Secret

# Where the pods of a job find what they are given.
JOB = "/etc/lakehead/job"
KAFKA_USER = "/etc/lakehead/kafka-user"
KAFKA_CA = "/etc/lakehead/kafka-ca"
# The variable that holds CLIENT_ID:CLIENT_SECRET.
CREDENTIAL = "LAKEHEAD_CATALOG_CREDENTIAL"
# As the home's.
_WATERMARK_MS = 200


def cluster_site(profile: Profile, user: str) -> Site:
    """The cluster as the job sees it that is ``user`` to Kafka."""
    flink = profile.flink
    return Site(
        bootstrap=profile.bootstrap,
        catalog=rest_properties(profile),
        kafka=kafka_properties(profile, user),
        registry_url=profile.registry.url if profile.registry else None,
        flink={},
        parallelism=flink.parallelism,
        checkpoint_seconds=flink.checkpoint_seconds,
        watermark_ms=_WATERMARK_MS,
    )


def rest_properties(profile: Profile) -> dict[str, str]:
    """Iceberg's properties of the REST catalog, for Flink and Spark.

    Iceberg reads a value that begins with ``env:`` from the environment (EnvironmentUtil).
    """
    catalog, s3 = profile.catalog, profile.s3
    properties = {
        "catalog-impl": "org.apache.iceberg.rest.RESTCatalog",
        "uri": catalog.uri,
        "warehouse": catalog.warehouse,
        "io-impl": "org.apache.iceberg.aws.s3.S3FileIO",
        "client.region": s3.region,
    }
    if s3.endpoint:
        properties["s3.endpoint"] = s3.endpoint
    if s3.path_style:
        properties["s3.path-style-access"] = "true"
    if oauth2 := catalog.oauth2:
        properties |= {"rest.auth.type": "oauth2", "credential": f"env:{CREDENTIAL}"}
        if oauth2.server_uri:
            properties["oauth2-server-uri"] = oauth2.server_uri
        if oauth2.scope:
            properties["scope"] = oauth2.scope
    return properties


def kafka_properties(profile: Profile, user: str) -> dict[str, str]:
    """TLS and SCRAM for Kafka's clients, which read the password from the mounted Secret."""
    access = KafkaAccess(
        bootstrap=profile.bootstrap,
        username=user,
        password=Secret(file=Path(KAFKA_USER) / "password"),
        ca=Path(KAFKA_CA) / profile.kafka.ca_key,
    )
    return access.java()
