"""What comes in: the public address, what may be fetched, how large a source may be."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field, SecretStr, field_validator

GIB = 1024**3


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

    streams_per_user: Annotated[int, Field(ge=0)] = 200
    """Event streams that one user may have open at one gateway, each of which costs memory and a
    connection; more are answered with 429; 0 = any number."""

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
