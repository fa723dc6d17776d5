"""Every setting of the mesh, with its unit and its reason.

Read from the environment: `ACTVERSE_<GROUP>__<NAME>`, for example
`ACTVERSE_GATEWAY__PORT=9000`, and from a file `.env` in the working directory.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AliasChoices, BaseModel, Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

GIB = 1024**3


def revealed(secret: SecretStr | None) -> str | None:
    """The secret itself, for whom it was made; never for a log."""
    return None if secret is None else secret.get_secret_value()


class GatewaySettings(BaseModel):
    """The one public address."""

    host: str = "127.0.0.1"
    """Address to listen on; loopback until somebody decides otherwise."""
    port: int = 8080
    """TCP port of the REST interface."""
    max_upload_bytes: int = 8 * GIB
    """Largest file that `POST /uploads/` takes, bytes."""
    upload_link_s: Annotated[int, Field(ge=60, le=7 * 24 * 3600)] = 3600
    """How long the address of a direct upload is valid, seconds."""
    max_wait_s: float = 60.0
    """Longest `Prefer: wait=N` that is honoured, seconds."""
    allowed_origins: list[str] = Field(default_factory=list)
    """Browser origins that may call with credentials; never `*`."""
    public_url: str = ""
    """The URL under which people reach the gateway, for links in their news; empty = no links."""
    max_queue_depth: int = 10_000
    """Messages that may wait for one service (four times as many in all) before new work is
    answered with 429 and a time to come back; 0 = no limit."""
    requests_per_minute: int = 6000
    """Requests that one user may make in a minute, over all gateways that share a Redis; 0 = any
    number."""

    @field_validator("allowed_origins")
    @classmethod
    def _each_is_named(cls, origins: list[str]) -> list[str]:
        if any("*" in origin for origin in origins):
            raise ValueError(
                "name each origin (https://lab.example); * with credentials is never safe"
            )
        return origins


class NetworkSettings(BaseModel):
    """What outgoing requests may reach."""

    allow: list[str] = Field(default_factory=list)
    """Hosts or networks (CIDR) that may be fetched although they are private or loopback."""
    stall_s: float = 30.0
    """A download that delivers no byte for so long is cut and resumed, seconds."""
    s3_buckets: list[str] = Field(default_factory=list)
    """Buckets that users may name in s3:// URLs; empty = none."""
    s3_endpoint: str | None = None
    """URL of an S3-compatible server for those buckets; None = AWS."""
    s3_region: str | None = None
    """Region of those buckets, such as `eu-central-1`; None = as boto3 finds it."""
    s3_access_key: SecretStr | None = None
    """Access key that may read those buckets; None = as boto3 finds it: environment, profile, role."""
    s3_secret_key: SecretStr | None = None
    """The secret of that access key."""


class VideoSettings(BaseModel):
    """Limits that protect the disk and the decoders."""

    max_bytes: int = 64 * GIB
    """Largest source file, bytes."""


class ModelSettings(BaseModel):
    """Where models live and which one everybody starts from."""

    repository: Path = Path("triton_models")
    """The model server's repository."""
    platform: str = "python"
    """`python` for Triton from the wheel, `onnxruntime` for a Triton with the ONNX backend."""
    device: Literal["cpu", "gpu"] = "cpu"
    """Where a Triton with the ONNX backend runs the models."""
    instances: Annotated[int, Field(ge=1)] = 1
    """Copies of a model that run side by side, on each GPU where there are several."""
    tensorrt: bool = False
    """Whether TensorRT runs the models, in half precision; needs `device=gpu`, and each version of a
    model costs minutes when it is loaded first."""
    tensorrt_engines: str = ""
    """Folder that keeps what TensorRT built, as Triton sees it and may write to; empty = it is built
    again at every start."""
    restore_s: float = 30.0
    """Time between two looks whether the model server has lost what belongs on it, seconds."""
    threads: Annotated[int, Field(ge=0)] = 0
    """Processor threads of one inference run; 0 = as many as there are cores. Name it where a
    container may use fewer cores than the machine has."""
    kept_versions: int = 2
    """Versions of a model that stay loaded: the new one and those before it; the current one and
    the one to go back to stay loaded beside them."""
    int8: bool = True
    """Whether a new detector may be served in 8-bit integers, on processors, where they are quicker
    and as good; choosing costs some seconds for each new version."""


class StorageS3Settings(BaseModel):
    """The keys of the storage where it is `s3://`, and the copies that are kept of it."""

    access_key: SecretStr | None = None
    """Access key of the bucket; None = as boto3 finds it: environment, profile, role."""
    secret_key: SecretStr | None = None
    """The secret of that access key."""
    cache_bytes: Annotated[int, Field(gt=0)] = 50 * GIB
    """Local copies of stored files may take so much of `data_dir`, bytes; those that nobody needed
    longest are removed first, those in use never."""


class WorkerSettings(BaseModel):
    """How the workers run."""

    concurrency: dict[str, int] = Field(
        default_factory=lambda: {"video_processor": 2, "model_inference": 2}
    )
    """Pool processes a service; one where it is not named."""
    deliveries: int = 4
    """Deliveries of one message before it is parked: the first and the repeats after a kill."""
    lease_s: float = 30.0
    """A task whose worker on another machine was silent for so long may be taken over, seconds."""
    report_every_s: float = 0.5
    """Progress is stored at most this often, seconds."""
    task_events: bool = False
    """Whether workers tell what they do, for Flower; a little slower for every task."""


class LabelingSettings(BaseModel):
    """How labeling tools are watched."""

    poll_s: float = 3.0
    """Time between two looks at the open labelings, seconds."""
    auto_confidence: float = 0.5
    """The `auto` labeler accepts boxes of the global model from this confidence on."""
    label_studio_url: str = ""
    """Where this mesh reaches Label Studio (`http://tool.example:8080`); empty = not connected."""
    label_studio_public_url: str = ""
    """Where people's browsers reach it, when that is another address; empty = the same."""
    label_studio_token: SecretStr | None = None
    """Access token of a Label Studio account: a legacy token, or a personal access token."""
    label_studio_frames: Literal["signed", "upload"] = "signed"
    """How it gets frames: `signed` addresses of the gateway for browsers, or `upload` of the images."""
    label_studio_webhook_secret: SecretStr | None = None
    """What its calls of `POST /labeling/webhook/label-studio` carry; None = it is only polled."""
    label_studio_delete: bool = False
    """Whether a project is removed from Label Studio once its labels are stored here."""
    cvat_url: str = ""
    """Where this mesh reaches CVAT (`https://cvat.example`); empty = not connected."""
    cvat_token: SecretStr | None = None
    """Personal access token of a CVAT account; None = `cvat_login`."""
    cvat_login: SecretStr | None = None
    """`user:password` of a CVAT account, where there is no token."""
    cvat_organisation: str = ""
    """Short name of the CVAT organisation that projects belong to; empty = the account's own space."""
    cvat_job_frames: Annotated[int, Field(ge=1)] = 50
    """Frames of one CVAT job; frames count as labelled when their whole job is finished."""
    cvat_webhook_secret: SecretStr | None = None
    """What CVAT signs its calls of `POST /labeling/webhook/cvat` with; None = it is only polled."""
    frame_link_s: Annotated[int, Field(ge=60)] = 90 * 24 * 3600
    """How long a signed address of a frame opens it, seconds; longer than people take to label."""
    frame_link_secret: SecretStr | None = None
    """Signs them; None = made once, kept in `data_dir`, which gateway and workers then must share."""


class LearningSettings(BaseModel):
    """How rounds of teaching are watched."""

    poll_s: Annotated[float, Field(gt=0)] = 30.0
    """Time between two looks at the rounds that ended and at the triggers of new ones, seconds."""


class NotifySettings(BaseModel):
    """Where news go when a user has no addresses of his own."""

    urls: list[str] = Field(default_factory=list)
    """Apprise URLs: `mailto://`, `slack://`, `json://` ...; empty = only the log."""
    timeout_s: float = 10.0
    """Longest time one message or one call of a webhook may take, seconds."""
    poll_s: float = 5.0
    """Time between two looks for messages that are due for another try, seconds."""


class MetricsSettings(BaseModel):
    """Figures for Prometheus."""

    host: str = "127.0.0.1"
    """Address on which each process serves its figures; they need no key there."""
    port: int = 0
    """TCP port of it; 0 = not served. Containers use 9100."""
    folder: Path | None = None
    """Where the processes of one machine add up, for one of them to serve all; the launcher sets it."""
    token: str = ""
    """What may fetch the gateway's `GET /metrics` besides an admin's key; empty = nothing else."""


class TelemetrySettings(BaseModel):
    """Traces for OpenTelemetry."""

    otlp_endpoint: str = ""
    """Collector that takes OTLP over HTTP, such as `http://collector:4318`; empty = no traces."""
    sampled: Annotated[float, Field(ge=0.0, le=1.0)] = 1.0
    """Share of the traces that are kept, 0..1; what a caller has sampled already stays so."""


class FlowerSettings(BaseModel):
    """The look into the Celery workers."""

    host: str = "127.0.0.1"
    """Address that Flower listens on."""
    port: int = 5555
    """TCP port of Flower; the launcher starts it with `make up FLOWER=1`."""
    user: str = "actverse"
    """Name to log in with."""
    password: str = ""
    """Password to log in with; without one Flower does not start."""
    broker_api: str = ""
    """URL of RabbitMQ's management interface with name and password, for the page of queues."""


class Settings(BaseSettings):
    """The whole configuration; the defaults are the embedded mesh."""

    model_config = SettingsConfigDict(
        env_prefix="ACTVERSE_", env_nested_delimiter="__", env_file=".env", extra="ignore"
    )

    data_dir: Path = Path("data_storage")
    """Root of all run-time files."""
    models_dir: Annotated[
        Path | None, Field(validation_alias=AliasChoices("ACTVERSE_MODELS_DIR", "MODELS_DIR"))
    ] = None
    """Folder with weights that the operator put there; `data_dir/models` when not set."""
    global_weights: Annotated[
        str | None,
        Field(validation_alias=AliasChoices("ACTVERSE_GLOBAL_WEIGHTS", "GLOBAL_WEIGHTS")),
    ] = None
    """Other weights than the shipped global model: a path, or a name in `models_dir`."""
    database: str = ""
    """SQLAlchemy URL; `sqlite:///<data_dir>/actverse.db` when empty."""
    broker: str = ""
    """Where events and tasks travel; `actverse+sqlite:///<data_dir>/broker.db` when empty."""
    cache: str = ""
    """`redis://host:6379/0` for Celery results, live progress and rate limits; empty: the broker's file."""
    storage: str = ""
    """Where files are kept: `file:<folder>` or `s3://bucket/prefix`; `file:<data_dir>` when empty."""
    model_server: str = "triton://127.0.0.1:8001"
    """`triton://host:grpc port`, or `onnxruntime:` for inference in the worker's own process."""
    heartbeat: Path | None = None
    """A file that workers, beat and clock touch while they turn, for health checks; None = none."""
    log_level: str = "INFO"
    """Least severe level that is written."""
    log_format: str = "console"
    """`console` for people, `json` for collectors."""

    gateway: GatewaySettings = Field(default_factory=GatewaySettings)
    network: NetworkSettings = Field(default_factory=NetworkSettings)
    video: VideoSettings = Field(default_factory=VideoSettings)
    storage_s3: StorageS3Settings = Field(default_factory=StorageS3Settings)
    model: ModelSettings = Field(default_factory=ModelSettings)
    worker: WorkerSettings = Field(default_factory=WorkerSettings)
    labeling: LabelingSettings = Field(default_factory=LabelingSettings)
    learning: LearningSettings = Field(default_factory=LearningSettings)
    notify: NotifySettings = Field(default_factory=NotifySettings)
    metrics: MetricsSettings = Field(default_factory=MetricsSettings)
    telemetry: TelemetrySettings = Field(default_factory=TelemetrySettings)
    flower: FlowerSettings = Field(default_factory=FlowerSettings)

    @property
    def database_url(self) -> str:
        """The database in force."""
        return self.database or f"sqlite:///{self.data_dir / 'actverse.db'}"

    @property
    def broker_url(self) -> str:
        """The broker in force."""
        return self.broker or f"actverse+sqlite:///{self.data_dir / 'broker.db'}"

    @property
    def storage_url(self) -> str:
        """The storage in force."""
        return self.storage or f"file:{self.data_dir}"

    @property
    def weights_dir(self) -> Path:
        """The folder of operator-given weights in force."""
        return self.models_dir or self.data_dir / "models"
