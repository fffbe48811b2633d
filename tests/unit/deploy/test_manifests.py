"""Every manifest is what its schema says, carries the job's own statements, and no secret."""

import json
import os
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from manifest_checks import (
    AIRFLOW,
    LABEL,
    SCHEMAS,
    check,
    documents,
    kind_of,
    looser,
    values,
)

from lakehead.contracts.load import load_contract
from lakehead.contracts.topic import topic_config
from lakehead.deploy.names import LONGEST
from lakehead.deploy.profile import Profile, parse_profile
from lakehead.deploy.project import StreamJob, stream_job, stream_jobs
from lakehead.deploy.render import Rendered, render
from lakehead.errors import UserError
from lakehead.jobs.placing import place
from lakehead.jobs.spec import compile_job
from lakehead.models.load import bound_models
from lakehead.settings import INSTALL_ROOT, Settings

MINIMAL = """\
images: {flink: f:1.0, spark: s:1, airflow: host:5000/a:2}
catalog: {uri: "http://catalog", warehouse: w}
s3: {bucket: lake}
"""
KINDS = {p.stem for p in SCHEMAS.glob("*.yaml")}


@pytest.fixture(scope="module")
def manifests(rendered: Rendered) -> list[dict[str, Any]]:
    return [d for text in rendered.files.values() for d in documents(text)]


def of_kind(manifests: list[dict[str, Any]], kind: str) -> dict[str, dict[str, Any]]:
    return {m["metadata"]["name"]: m for m in manifests if m.get("kind") == kind}


def test_every_document_is_what_its_schema_says(manifests: list[dict[str, Any]]) -> None:
    for document in manifests:
        check(document)
    assert {kind_of(m) for m in manifests} == KINDS


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_a_field_that_is_not_in_a_schema_is_found(
    manifests: list[dict[str, Any]], kind: str
) -> None:
    document = next(m for m in manifests if kind_of(m) == kind)
    wrong = json.loads(json.dumps(document))
    (wrong if kind in (AIRFLOW, "v1.ConfigMap") else wrong["spec"])["replicsa"] = 1
    with pytest.raises(jsonschema.ValidationError, match="replicsa"):
        check(wrong)


@pytest.mark.parametrize(
    "text",
    [
        MINIMAL,
        MINIMAL + "kafka: {create: false, replicas: 1, ca_secret: own-ca}\n",
        MINIMAL + "flink: {state_backend: hashmap, version: 2.2.1}\n",
        MINIMAL + "kafka: {storage_class: fast, brokers: 9}\n",
    ],
)
def test_other_profiles_render_to_valid_manifests(checkout: Settings, text: str) -> None:
    profile = parse_profile(text, "x.yaml")
    files = render(profile, stream_jobs(checkout, profile)).files
    for each in files.values():
        for document in documents(each):
            check(document)
    assert ("kafka/cluster.yaml" in files) is profile.kafka.create


def test_names_are_labels_and_distinct(manifests: list[dict[str, Any]]) -> None:
    named = [
        (m["kind"], m["metadata"]["namespace"], m["metadata"]["name"])
        for m in manifests
        if "kind" in m
    ]
    assert len(set(named)) == len(named)
    assert all(re.fullmatch(LABEL, name) for _, _, name in named)
    deployments = of_kind(manifests, "FlinkDeployment")
    assert "page-views" in deployments
    assert all(len(name) <= LONGEST for name in deployments)


def test_a_job_has_the_statements_that_submit_runs(
    checkout: Settings, jobs: list[StreamJob], manifests: list[dict[str, Any]]
) -> None:
    for job in jobs:
        contract = job.contract
        parts = place(checkout, contract, bound_models(checkout, contract.stream), None).parts
        at_home = compile_job(checkout, contract, parts)
        given = job_specification(manifests, job.label)
        assert given["inserts"] == [{"uid": i.uid, "sql": i.sql} for i in at_home.inserts]
        assert given["streams"] == at_home.streams
        assert given["views"] == list(at_home.views)
        home_tables = [_without_clients(t) for t in at_home.declare[1:]]
        assert [_without_clients(t) for t in given["declare"][1:]] == home_tables


def _without_clients(table: str) -> str:
    """The table but for where Kafka is, and how its clients say who they are."""
    where = r"\n  'properties\.(bootstrap|security|ssl|sasl|config)\.[^\n]*"
    return re.sub(where, "", table)


def job_specification(manifests: list[dict[str, Any]], name: str) -> Any:
    """What the deployment's program reads: found as the pod finds it, through its volumes."""
    spec = of_kind(manifests, "FlinkDeployment")[name]["spec"]
    pod = spec["podTemplate"]["spec"]
    [container] = pod["containers"]
    path = Path(next(a for a in spec["job"]["args"] if a.endswith("spec.json")))
    mounts = {m["mountPath"]: m["name"] for m in container["volumeMounts"]}
    volume = next(v for v in pod["volumes"] if v["name"] == mounts[str(path.parent)])
    stored = of_kind(manifests, "ConfigMap")[volume["configMap"]["name"]]
    return json.loads(stored["data"][path.name])


def test_a_job_finds_catalog_and_kafka_of_the_cluster(manifests: list[dict[str, Any]]) -> None:
    catalog, source = job_specification(manifests, "orders")["declare"][:2]
    assert "'catalog-impl' = 'org.apache.iceberg.rest.RESTCatalog'" in catalog
    assert "'credential' = 'env:LAKEHEAD_CATALOG_CREDENTIAL'" in catalog
    assert "sqlite" not in catalog
    assert "'properties.security.protocol' = 'SASL_SSL'" in source
    assert "127.0.0.1" not in json.dumps(manifests)


def test_other_statements_lie_under_another_name(checkout: Settings, profile: Profile) -> None:
    contract = load_contract(checkout.schemas, "orders")
    with_models = stream_job(checkout, profile, contract, bound_models(checkout, "orders"))
    without = stream_job(checkout, profile, contract, [])
    path = "flink/stream-orders.yaml"
    files = [render(profile, [job]).files[path] for job in (with_models, without)]
    first, second = (set(of_kind(documents(text), "ConfigMap")) for text in files)
    assert first and second and not first & second


def test_topics_are_as_the_contracts_say(
    jobs: list[StreamJob], manifests: list[dict[str, Any]]
) -> None:
    topics = {m["spec"]["topicName"]: m["spec"] for m in of_kind(manifests, "KafkaTopic").values()}
    for contract in (job.contract for job in jobs):
        spec = topics.pop(contract.topic)
        assert spec["partitions"] == contract.partitions
        assert spec["config"].items() >= topic_config(contract).items()
        assert spec["config"]["message.timestamp.type"] == "LogAppendTime"
    assert set(topics) == {"alerts.failed_payments"}


def test_a_user_may_do_what_the_job_does_and_no_more(manifests: list[dict[str, Any]]) -> None:
    users = of_kind(manifests, "KafkaUser")
    assert allowed(users["orders-job"]) == {
        ("topic", "orders", "literal", "Read"),
        ("topic", "orders", "literal", "Describe"),
        ("group", "lakehead-orders", "literal", "Read"),
        # What its models join.
        *(("topic", t, "literal", o) for t in SECOND_TOPICS for o in ("Read", "Describe")),
        *(("group", f"lakehead-orders-{m}", "literal", "Read") for m in JOINING),
    }
    assert allowed(users["orders-producer"]) == {
        ("topic", "orders", "literal", "Write"),
        ("topic", "orders", "literal", "Describe"),
    }
    assert {
        ("topic", "alerts.failed_payments", "literal", "Write"),
        ("transactionalId", "lakehead-failed_payments-", "prefix", "Write"),
    } <= allowed(users["payments-job"])


JOINING = {"orders_with_customer", "order_to_payment"}
SECOND_TOPICS = {"customers", "payments"}


def allowed(user: dict[str, Any]) -> set[tuple[str, str, str, str]]:
    return {
        (r["type"], r["name"], r["patternType"], operation)
        for acl in user["spec"]["authorization"]["acls"]
        for r in [acl["resource"]]
        for operation in acl["operations"]
    }


def test_every_group_and_topic_of_the_statements_is_one_that_the_user_may_use(
    manifests: list[dict[str, Any]], jobs: list[StreamJob]
) -> None:
    users = of_kind(manifests, "KafkaUser")
    for job in jobs:
        text = "\n".join(job.spec.declare)
        may = {(kind, name) for kind, name, _, _ in allowed(users[job.user])}
        groups = re.findall(r"'properties\.group\.id' = '([^']*)'", text)
        topics = re.findall(r"'topic' = '([^']*)'", text)
        assert groups and {("group", g) for g in groups} <= may
        assert {("topic", t) for t in topics} <= may
        assert f'username="{job.user}"' in text


def test_secrets_are_named_and_never_written(
    rendered: Rendered, manifests: list[dict[str, Any]]
) -> None:
    listed = {(s.namespace, s.name, key) for s in rendered.secrets for key in s.keys}
    used = set()
    for document in manifests:
        space = document.get("metadata", {}).get("namespace", "lakehead")
        for reference in references(document):
            used.add((space, *reference))
    assert used == listed
    for path, value in values(manifests):
        named = path[-1].lower()
        secret = re.search(r"(?<!no)(password|secret|token|credential)s?$", named)
        if secret and isinstance(value, str):
            assert value == "env:LAKEHEAD_CATALOG_CREDENTIAL", path
        if isinstance(value, str):
            passwords = re.findall(r'password="([^"]*)"', value)
            assert set(passwords) <= {"${directory:/etc/lakehead/kafka-user:password}"}


def references(node: Any) -> set[tuple[str, str]]:
    """Each (Secret, key) that a manifest refers to."""
    if isinstance(node, list):
        return set().union(*map(references, node))
    if not isinstance(node, dict):
        return set()
    found = set().union(*map(references, node.values()))
    if "secretKeyRef" in node:
        found.add((node["secretKeyRef"]["name"], node["secretKeyRef"]["key"]))
    if "secretName" in node and "items" in node:
        found |= {(node["secretName"], item["key"]) for item in node["items"]}
    if "secretName" in node and "secretKey" in node:
        found.add((node["secretName"], node["secretKey"]))
    chart = {
        "metadataSecretName": "connection",
        "fernetKeySecretName": "fernet-key",
        "apiSecretKeySecretName": "api-secret-key",
        "jwtSecretName": "jwt-secret",
    }
    return found | {(node[name], key) for name, key in chart.items() if name in node}


def test_the_batch_is_suspended_until_something_writes_its_specification(
    manifests: list[dict[str, Any]],
) -> None:
    [batch] = of_kind(manifests, "ScheduledSparkApplication").values()
    assert batch["spec"]["suspend"] is True
    assert "docs/cluster.md" in batch["metadata"]["annotations"]["lakehead.io/suspended"]


def test_avro_needs_a_registry(checkout: Settings, tmp_path: Path) -> None:
    folder = tmp_path / "schemas"
    folder.mkdir()
    text = (checkout.schemas / "products.yaml").read_text()
    avro = text.replace("{property: encoding, value: json}", "{property: encoding, value: avro}")
    assert avro != text
    (folder / "products.yaml").write_text(avro)
    project = Settings(tmp_path, tmp_path)
    with pytest.raises(UserError, match=r"products are Avro, and the profile names no"):
        stream_jobs(project, parse_profile(MINIMAL, "x.yaml"))
    with_registry = MINIMAL + "registry: {url: 'http://registry/apis'}\n"
    [job] = stream_jobs(project, parse_profile(with_registry, "x.yaml"))
    assert "'http://registry/apis'" in job.spec.declare[1]


def test_a_project_without_contracts_is_refused(profile: Profile, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there is no contract in"):
        stream_jobs(Settings(tmp_path, tmp_path), profile)


def test_the_programs_that_manifests_name_are_there(manifests: list[dict[str, Any]]) -> None:
    [batch] = of_kind(manifests, "ScheduledSparkApplication").values()
    job = of_kind(manifests, "FlinkDeployment")["orders"]["spec"]["job"]
    paths = [batch["spec"]["template"]["mainApplicationFile"], job["args"][3]]
    for path in paths:
        assert (
            INSTALL_ROOT / path.removeprefix("local://").removeprefix("/opt/lakehead/")
        ).is_file()
    program = (INSTALL_ROOT / "jobs" / "flink" / "run_statements.py").read_text()
    assert f'"{job["args"][-1]}"' in program


# The definitions that the operators ship, where somebody has them: tests/schemas/README.md.
SHIPPED = os.environ.get("LAKEHEAD_DEFINITIONS")
EVERY_OBJECT = {
    "apiVersion": {"type": "string"},
    "kind": {"type": "string"},
    "metadata": {"type": "object"},
}


def shipped() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for path in sorted(Path(SHIPPED or "").iterdir()):
        if path.suffix == ".json":
            found[AIRFLOW] = json.loads(path.read_text())
            continue
        for crd in yaml.load_all(path.read_text(), getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
            spec = crd["spec"]
            kind = f"{spec['group']}.{spec['names']['kind']}"
            schema = spec["versions"][-1]["schema"]["openAPIV3Schema"]
            # What every object of Kubernetes has, a definition may leave unsaid.
            schema["properties"] = EVERY_OBJECT | schema["properties"]
            found[kind] = schema
    return found


@pytest.mark.skipif(not SHIPPED, reason="LAKEHEAD_DEFINITIONS names no folder of definitions")
def test_the_shipped_definitions_accept_every_manifest(manifests: list[dict[str, Any]]) -> None:
    definitions = shipped()
    checked = set()
    for document in manifests:
        if (kind := kind_of(document)) in definitions:
            check(document, definitions[kind])
            checked.add(kind)
    assert checked == KINDS - {"v1.ConfigMap"}


@pytest.mark.skipif(not SHIPPED, reason="LAKEHEAD_DEFINITIONS names no folder of definitions")
def test_our_schemas_allow_nothing_that_the_shipped_definitions_do_not() -> None:
    definitions = shipped()
    for kind in KINDS - {"v1.ConfigMap"}:
        ours = yaml.safe_load((SCHEMAS / f"{kind}.yaml").read_text())
        assert list(looser(ours, definitions[kind])) == []
