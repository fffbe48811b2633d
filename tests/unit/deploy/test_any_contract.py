"""Whatever contracts a project has, its manifests are valid, and their names labels that differ."""

import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from manifest_checks import LABEL, check, documents

from lakehead.contracts.load import contract_from_text
from lakehead.deploy.names import LONGEST, label
from lakehead.deploy.profile import Profile, Registry
from lakehead.deploy.project import stream_job
from lakehead.deploy.render import render
from lakehead.settings import Settings
from tests.draws import draws
from tests.unit.contracts import strategies

# Names that could be taken for each other once their underscores are dashes, or once they are cut.
NEAR = [
    *("a", "a_", "a__", "a_b", "a__b", "a_b_", "ab", "a_b_c", "orders", "orders_job", "orders_"),
    *("n" * 63, "n" * 62 + "_", "n" * 45, "n" * 46, "n" * 44 + "_", f"{'n' * 30}_{'m' * 30}"),
    *("a_12345678", "a_571fb0e3", "a_b_63e5c1c4", "x1", "job", "producer", "alerts_a", "cluster"),
]
streams = st.sampled_from(NEAR) | st.from_regex(r"[a-z][a-z0-9_]{0,62}", fullmatch=True)
NOWHERE = Settings(Path("/nonexistent"), Path("/nonexistent"))


@given(st.lists(streams, unique=True, min_size=2, max_size=8))
@settings(max_examples=draws(300))
def test_labels_of_different_names_differ(names: list[str]) -> None:
    # An alert's topic has a dot, as no stream has.
    all_names = [*names, *(f"alerts.{name}" for name in names)]
    labels = [label(name) for name in all_names]
    assert len(set(labels)) == len(all_names)
    assert all(re.fullmatch(LABEL, each) and len(each) <= LONGEST for each in labels)
    assert all("_" not in each for each in labels)


def test_a_plain_name_is_told_back_from_its_label() -> None:
    assert label("page_views") == "page-views"
    assert label("orders") == "orders"
    assert [n for n in NEAR if label(n) == n.replace("_", "-")] == [
        *("a", "a_b", "ab", "a_b_c", "orders", "orders_job", "n" * 45),
        *("x1", "job", "producer", "alerts_a", "cluster"),
    ]


@given(st.data(), st.lists(streams, unique=True, min_size=1, max_size=3))
@settings(
    max_examples=draws(strategies.MANY // 2),
    suppress_health_check=[HealthCheck.too_slow],
)
def test_any_valid_contract_renders_to_valid_manifests(
    profile_with_registry: Profile, data: st.DataObject, names: list[str]
) -> None:
    jobs = []
    for name in names:
        document: dict[str, Any] = data.draw(strategies.contracts(name))
        path = Path("schemas") / f"{name}.yaml"
        contract = contract_from_text(strategies.to_yaml(document), path)
        jobs.append(stream_job(NOWHERE, profile_with_registry, contract, []))
    rendered = render(profile_with_registry, jobs)
    manifests = [d for text in rendered.files.values() for d in documents(text)]
    for manifest in manifests:
        check(manifest)
    metadata = [(m["kind"], m["metadata"]) for m in manifests if "kind" in m]
    named = {(kind, m["namespace"], m["name"]) for kind, m in metadata}
    assert len(named) == len(metadata)
    assert all(re.fullmatch(LABEL, name) for _, _, name in named)
    # Two pools, the cluster and the batch; a topic, two users, the statements and the job of each.
    assert len(named) == 4 + 5 * len(names)


@pytest.fixture(scope="module")
def profile_with_registry(profile: Profile) -> Profile:
    return msgspec.structs.replace(profile, registry=Registry("http://registry.lakehead.svc/apis"))
