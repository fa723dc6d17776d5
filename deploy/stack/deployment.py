"""What differs between the workers in production, as `services/<service>/deployment.toml` says it.

What all have alike (images, health, confinement, volumes for work) is written once, in
`docker-compose.yml`, `deploy/Dockerfile` and `deploy/k8s/base/workers/common.patch.yaml`.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Literal, Self

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)

from shared.errors import BadInput
from shared.pipelines import atlas

ROOT = Path(__file__).resolve().parents[2]
HEAVY_LAYER = ROOT / "deploy" / "requirements" / "torch.txt"
Cpu = Annotated[str, StringConstraints(pattern=r"^\d+m?$")]
Memory = Annotated[str, StringConstraints(pattern=r"^\d+[MG]i$")]
OneLine = Annotated[str, StringConstraints(pattern=r"^[^\n#]+$", min_length=3)]


class _Data(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Resources(_Data):
    """What a pod is given, in Kubernetes' words."""

    cpu: Cpu
    """Cores ("2"), or thousandths of one ("500m")."""
    memory: Memory
    """Such as "512Mi" or "4Gi"."""


class InCompose(_Data):
    """What only docker-compose.yml needs."""

    size: Literal["small", "worker", "torch"] = "worker"
    """The budget of cores and memory: SMALL_*, WORKER_* or TORCH_* of the environment file."""
    shared_memory: Annotated[str, StringConstraints(pattern=r"^\d+[mg]$")] | None = None
    """The size of /dev/shm, such as "1g"; None = Docker's 64 MB."""


class InKubernetes(_Data):
    """What only the manifests need."""

    requests: Resources = Resources(cpu="500m", memory="512Mi")
    limits: Resources = Resources(cpu="2", memory="2Gi")
    most_pods: Annotated[int, Field(ge=1)] = 3
    """KEDA starts no more than so many; there is always one."""
    messages_a_pod: Annotated[int, Field(ge=1)] = 4
    """One pod more for each so many messages of the queue, those being worked on included."""
    one_less_after_s: Annotated[int, Field(ge=0)] | None = None
    """Pods are taken away only after so many seconds with less to do; None = the cluster's 300."""
    one_less_every_s: Annotated[int, Field(ge=1)] | None = None
    """And then one in so many seconds; None = all at once."""

    @model_validator(mode="after")
    def _both_or_none(self) -> Self:
        if (self.one_less_after_s is None) != (self.one_less_every_s is None):
            raise ValueError("one_less_after_s and one_less_every_s go together")
        return self


class Deployment(_Data):
    """How the worker of one service runs."""

    service: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$")]
    """Its folder, its queue, its image; not a key of the file."""
    layer: Literal["mesh", "torch"]
    """The stage of the Dockerfile that its image stands on; follows from its requirements.txt."""
    processes: Annotated[int, Field(ge=1)] = 1
    """Of its pool, where the setting `worker.concurrency` does not name it; read by the worker."""
    internet: Literal["web", "news"] | None = None
    """Whom it may call outside of the mesh: web = ports 80 and 443, news = 443, 465 and 587."""
    internet_for: OneLine | None = None
    """Why, in a few words."""
    models: Literal["reads", "writes"] | None = None
    """What it does with the model repository; whoever does either may also call the model server."""
    weights: bool = False
    """Whether it loads weights that stand on disk: /weights and the shipped model."""
    compose: InCompose = InCompose()
    kubernetes: InKubernetes = InKubernetes()

    @model_validator(mode="after")
    def _with_its_reason(self) -> Self:
        if (self.internet is None) != (self.internet_for is None):
            raise ValueError("internet and internet_for go together")
        return self

    @property
    def name(self) -> str:
        """As containers, pods and hosts are called."""
        return self.service.replace("_", "-")


def requirements_of(path: Path) -> list[Requirement]:
    """The requirements of one file, without its comments."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return [Requirement(line) for line in lines if line.strip() and not line.startswith("#")]


def deployment(service: str) -> Deployment:
    """That of one service; `BadInput` names the file and what is wrong in it."""
    folder = ROOT / "services" / service
    for needed in ("deployment.toml", "requirements.txt"):
        if not (folder / needed).is_file():
            raise BadInput(
                f"services/{service}/{needed} is missing: the map gives {service} work, so it "
                "needs a worker. Write one like that of another service."
            )
    try:
        data = tomllib.loads((folder / "deployment.toml").read_text(encoding="utf-8"))
        return Deployment(service=service, layer=_layer(folder / "requirements.txt"), **data)
    except (tomllib.TOMLDecodeError, ValidationError, TypeError) as error:
        raise BadInput(f"services/{service}/deployment.toml: {error}") from None


def _layer(requirements: Path) -> Literal["mesh", "torch"]:
    names = {canonicalize_name(each.name) for each in requirements_of(requirements)}
    heavy = {canonicalize_name(each.name) for each in requirements_of(HEAVY_LAYER)}
    return "torch" if heavy <= names else "mesh"


def deployments() -> tuple[Deployment, ...]:
    """Those of all services that the map gives work, in its order."""
    return tuple(deployment(service) for service in atlas.services())
