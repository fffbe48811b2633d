"""A project and a profile as files: one folder a tool, one file a stream. The same in every run."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from lakehead.deploy import airflow, flink, kafka, spark
from lakehead.deploy.manifest import Manifest, Secret
from lakehead.deploy.profile import Profile
from lakehead.deploy.project import StreamJob
from lakehead.errors import UserError
from lakehead.files import write_whole

FOLDERS = ("kafka", "flink", "spark", "airflow")
_HEAD = "# Written by lakehead deploy render, from contracts, models and the cluster profile.\n"
_STRIMZI = "Strimzi"
_YOU = "you"


@dataclass(frozen=True)
class Rendered:
    """``files`` are texts by path within the folder; ``secrets`` are what they refer to."""

    files: dict[str, str]
    secrets: tuple[Secret, ...]


@dataclass(frozen=True)
class Change:
    """What a write does to a file: ``new``, ``changed``, ``same``; ``stale`` is left as it is."""

    path: str
    change: str


def render(profile: Profile, jobs: Sequence[StreamJob]) -> Rendered:
    """Every file. Raises UserError: what cannot be stored on a cluster."""
    files: dict[str, str] = {}
    if profile.kafka.create:
        files["kafka/cluster.yaml"] = _text(kafka.cluster(profile))
    alerts: set[str] = set()
    for job in jobs:
        # Two models may alert to one topic.
        mine = [topic for topic in job.alerts if topic not in alerts]
        alerts.update(mine)
        files[f"kafka/stream-{job.label}.yaml"] = _text(kafka.stream(profile, job, mine))
        files[f"flink/stream-{job.label}.yaml"] = _text(flink.application(profile, job))
    files["spark/reconcile.yaml"] = _text([spark.reconcile(profile)])
    files["airflow/values.yaml"] = _text([airflow.values(profile)])
    return Rendered(files, tuple(_secrets(profile, jobs)))


def write(folder: Path, rendered: Rendered, dry_run: bool = False) -> list[Change]:
    """Write what differs, each file whole; gives what became of each, or would.

    A file of an earlier run that is rendered no more is ``stale``: what it made on the cluster is
    still there, and only who runs that can say what is to become of it.

    Raises:
        UserError: it cannot be written, or a file of its name is somebody else's; nothing is
            changed then.
    """
    changes = []
    try:
        there = {name: _before(folder / name) for name in rendered.files}
        for name, text in rendered.files.items():
            path, before = folder / name, there[name]
            change = "new" if before is None else "same" if before == text else "changed"
            if change != "same" and not dry_run:
                write_whole(path, text)
            changes.append(Change(name, change))
        return [*changes, *_stale(folder, rendered)]
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{folder} cannot be written: {error}", "choose another folder") from error


def _before(path: Path) -> str | None:
    """The text of a file that was rendered before; None where there is none."""
    if not path.exists():
        return None
    text = path.read_text(encoding="utf-8")
    if not text.startswith(_HEAD):
        raise UserError(
            f"{path} was not written by lakehead deploy render, and stays as it is",
            "move it away, or choose another folder",
        )
    return text


def _stale(folder: Path, rendered: Rendered) -> list[Change]:
    found = [p for part in FOLDERS for p in sorted((folder / part).glob("*.yaml"))]
    ours = [p for p in found if p.read_bytes().startswith(_HEAD.encode())]
    names = [p.relative_to(folder).as_posix() for p in ours]
    return [Change(name, "stale") for name in names if name not in rendered.files]


def _secrets(profile: Profile, jobs: Sequence[StreamJob]) -> list[Secret]:
    spaces, s3, oauth2 = profile.namespaces, profile.s3, profile.catalog.oauth2
    strimzi = _STRIMZI
    if spaces.flink != spaces.kafka:
        # Pods see no Secret of another namespace.
        strimzi += f", in {spaces.kafka}: copy it"
    made = strimzi if profile.kafka.ca_secret is None else _YOU
    found = [Secret(spaces.flink, profile.ca_secret, (profile.kafka.ca_key,), made)]
    found += [Secret(spaces.flink, job.user, ("password",), strimzi) for job in jobs]
    for space in (spaces.flink, spaces.spark, spaces.airflow):
        if oauth2:
            found.append(Secret(space, oauth2.secret, (oauth2.key,), _YOU))
        if s3.secret:
            found.append(Secret(space, s3.secret, (s3.access_key, s3.secret_key), _YOU))
    own = profile.airflow
    named = {
        own.metadata_secret: "connection",
        own.fernet_secret: "fernet-key",
        own.api_secret: "api-secret-key",
        own.jwt_secret: "jwt-secret",
    }
    found += [Secret(spaces.airflow, name, (key,), _YOU) for name, key in named.items()]
    return list(dict.fromkeys(found))


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True


def _string(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    """A text of several lines as it is, for a person to read."""
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _string)


def _text(documents: Sequence[Manifest]) -> str:
    written = yaml.dump_all(documents, Dumper=_Dumper, sort_keys=False, width=120)
    return _HEAD + written
