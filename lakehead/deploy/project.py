"""The streams of a project as a cluster runs them, each with its job. No engine is asked."""

from dataclasses import dataclass

from lakehead.contracts.load import contract_names, load_contract
from lakehead.contracts.model import Contract
from lakehead.deploy.names import label
from lakehead.deploy.profile import Profile
from lakehead.deploy.site import cluster_site
from lakehead.errors import UserError
from lakehead.jobs.placing import place
from lakehead.jobs.spec import JobSpec, compile_job, consumer_group, side_group
from lakehead.models.bind import Bound
from lakehead.models.flink import side, transactional_prefix
from lakehead.models.load import bound_models
from lakehead.settings import Settings


@dataclass(frozen=True)
class StreamJob:
    """A stream and its job. ``reads`` are topics and the consumer groups that read them;
    ``alerts`` the topics that models write, with the prefix of their transactions' ids.
    """

    contract: Contract
    spec: JobSpec
    reads: dict[str, tuple[str, ...]]
    alerts: dict[str, str]

    @property
    def label(self) -> str:
        return label(self.contract.stream)

    @property
    def user(self) -> str:
        """Who the job is to Kafka."""
        return user_name(self.contract, "job")


def user_name(contract: Contract, role: str) -> str:
    """The Kafka user of a stream's ``job`` or ``producer``."""
    return f"{label(contract.stream)}-{role}"


def stream_jobs(settings: Settings, profile: Profile) -> list[StreamJob]:
    """Each stream of the project, sorted by name.

    Raises:
        UserError: a contract or a model that is wrong, or there are none.
    """
    names = contract_names(settings.schemas)
    if not names:
        raise UserError(f"there is no contract in {settings.schemas}", "lakehead contract new NAME")
    jobs = []
    for name in names:
        contract = load_contract(settings.schemas, name)
        jobs.append(stream_job(settings, profile, contract, bound_models(settings, name)))
    return jobs


def stream_job(
    settings: Settings, profile: Profile, contract: Contract, models: list[Bound]
) -> StreamJob:
    """A job that never ran, with the statements that ``submit`` would give it."""
    _check_registry(settings, profile, contract, models)
    site = cluster_site(profile, user_name(contract, "job"))
    parts = place(settings, contract, models, None).parts
    spec = compile_job(settings, contract, parts, site=site)
    groups: dict[str, list[str]] = {contract.topic: [consumer_group(contract.stream)]}
    alerts = {}
    for bound in models:
        if second := side(bound.model):
            groups.setdefault(second.stream, []).append(side_group(bound))
        if bound.model.alert_topic:
            alerts[bound.model.alert_topic] = transactional_prefix(bound.model)
    return StreamJob(contract, spec, {t: tuple(g) for t, g in groups.items()}, alerts)


def _check_registry(
    settings: Settings, profile: Profile, contract: Contract, models: list[Bound]
) -> None:
    seconds = [s.stream for bound in models if (s := side(bound.model))]
    read = [contract, *(load_contract(settings.schemas, s) for s in seconds)]
    avro = [c.stream for c in read if c.encoding == "avro"]
    if avro and profile.registry is None:
        raise UserError(
            f"the records of {avro[0]} are Avro, and the profile names no schema registry",
            "add it to the profile, as  registry: {url: ...}",
        )
