"""Every setting of the mesh, with its unit and its reason: here and in `setting_groups`.

Read from the environment: `ACTVERSE_<GROUP>__<NAME>`, for example
`ACTVERSE_GATEWAY__PORT=9000`, and from a file `.env` in the working directory.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import AliasChoices, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.setting_groups.accounts import AccountSettings
from shared.setting_groups.doors import GatewaySettings, NetworkSettings, VideoSettings
from shared.setting_groups.models import ModelSettings
from shared.setting_groups.running import StorageS3Settings, WorkerSettings
from shared.setting_groups.speech import SpeechSettings
from shared.setting_groups.teaching import LabelingSettings, LearningSettings
from shared.setting_groups.watching import (
    FlowerSettings,
    MetricsSettings,
    NotifySettings,
    TelemetrySettings,
)


def revealed(secret: SecretStr | None) -> str | None:
    """The secret itself, for whom it was made; never for a log."""
    return None if secret is None else secret.get_secret_value()


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
    """`triton://host:grpc port`, or `openvino:` for inference in the worker's own process."""
    heartbeat: Path | None = None
    """A file that workers, beat and clock touch while they turn, for health checks; None = none."""
    log_level: str = "INFO"
    """Least severe level that is written."""
    log_format: str = "console"
    """`console` for people, `json` for collectors."""

    gateway: GatewaySettings = Field(default_factory=GatewaySettings)
    accounts: AccountSettings = Field(default_factory=AccountSettings)
    network: NetworkSettings = Field(default_factory=NetworkSettings)
    video: VideoSettings = Field(default_factory=VideoSettings)
    storage_s3: StorageS3Settings = Field(default_factory=StorageS3Settings)
    model: ModelSettings = Field(default_factory=ModelSettings)
    worker: WorkerSettings = Field(default_factory=WorkerSettings)
    labeling: LabelingSettings = Field(default_factory=LabelingSettings)
    learning: LearningSettings = Field(default_factory=LearningSettings)
    speech: SpeechSettings = Field(default_factory=SpeechSettings)
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
