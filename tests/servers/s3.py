"""An S3 server: OpenStack Swift with its S3 interface, one copy of everything, on one folder.

It checks signatures, expiry and checksums, which `moto` does not.
"""

from __future__ import annotations

import getpass
import os
import secrets
import subprocess
import sys
from pathlib import Path
from typing import Any

import boto3
import botocore.client
import botocore.exceptions

from tests.servers.native import Native, Program
from tests.servers.ports import HOST, free_ports, listens
from tests.servers.server import Server
from tests.servers.swift_rings import KINDS

ROOT = Path(__file__).resolve().parents[2]
ACCESS_KEY, SECRET_KEY = "actverse", "a-secret-key-of-tests"
REGION = "us-east-1"
LEAST_PART_BYTES = 5 * 1024**2  # of all parts of a multipart upload but the last, as on S3

_DEFAULT = """[DEFAULT]
bind_ip = {host}
bind_port = {port}
workers = 0
user = {user}
swift_dir = {etc}
devices = {devices}
mount_check = false
log_level = WARNING
log_address = /dev/null
fallocate_reserve = 0
disable_fallocate = true
"""

_BACKEND = """
[pipeline:main]
pipeline = {kind}-server
[app:{kind}-server]
use = egg:swift#{kind}
"""

_FILTERS = (
    *("catch_errors", "gatekeeper", "proxy-logging", "memory", "s3api", "tempauth"),
    # Swift adds `copy` by itself, but in front of s3api where nobody names its own tempauth
    *("copy", "bulk", "slo", "dlo", "versioned_writes", "symlink", "proxy-logging"),
)

_PROXY = """
[pipeline:main]
pipeline = {filters} proxy-server
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
allow_account_management = true
[filter:s3api]
use = egg:swift#s3api
s3_acl = false
check_bucket_owner = false
location = {region}
min_segment_size = {least_part}
max_upload_part_num = 10000
dns_compliant_bucket_names = true
cors_preflight_allow_origin = *
[filter:memory]
paste.filter_factory = tests.servers.swift_memory:filter_factory
[filter:tempauth]
paste.filter_factory = tests.servers.swift_auth:filter_factory
user_s3_{access_key} = {secret_key} .admin
[filter:catch_errors]
use = egg:swift#catch_errors
[filter:gatekeeper]
use = egg:swift#gatekeeper
[filter:proxy-logging]
use = egg:swift#proxy_logging
[filter:copy]
use = egg:swift#copy
[filter:bulk]
use = egg:swift#bulk
[filter:slo]
use = egg:swift#slo
[filter:dlo]
use = egg:swift#dlo
[filter:symlink]
use = egg:swift#symlink
[filter:versioned_writes]
use = egg:swift#versioned_writes
allow_versioned_writes = true
allow_object_versioning = true
"""

_SWIFT = """[swift-hash]
swift_hash_path_suffix = {suffix}
[storage-policy:0]
name = one
default = yes
[swift-constraints]
max_header_size = 16384
"""


class S3Server(Server):
    """`url` is the endpoint; `ACCESS_KEY` and `SECRET_KEY` are this module's. Buckets: `bucket()`."""

    access_key, secret_key, region = ACCESS_KEY, SECRET_KEY, REGION

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._ports = dict(zip(("proxy", *KINDS), free_ports(4), strict=True))
        self._native = Native(self.log)
        self._etc = self.folder / "etc"

    @property
    def port(self) -> int:
        return self._ports["proxy"]

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    @property
    def _runner(self) -> Native:
        return self._native

    def _launch(self) -> None:
        if not self._etc.exists():
            self._configure()
        paths = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
        for kind in self._ports:
            server = Path(sys.executable).parent / f"swift-{kind}-server"
            arguments = [sys.executable, str(server), str(self._etc / f"{kind}-server.conf")]
            self._native.start(Program(arguments, {"PYTHONPATH": paths}))

    def _configure(self) -> None:
        devices = self.folder / "srv"
        (devices / "d1").mkdir(parents=True)
        try:
            os.setxattr(devices, "user.actverse", b"1")
        except OSError as error:
            raise RuntimeError(
                f"The S3 server keeps its notes in extended attributes, which {devices} does not "
                f"take ({error.strerror}). Give it a folder on ext4, xfs or btrfs."
            ) from error
        self._etc.mkdir()
        # All objects are lost to a server with another suffix: it is made once.
        self._write("swift.conf", _SWIFT.format(suffix=secrets.token_hex(6)))
        for kind, port in self._ports.items():
            text = _DEFAULT.format(
                host=HOST, port=port, user=getpass.getuser(), etc=self._etc, devices=devices
            )
            if kind == "proxy":
                text += _PROXY.format(
                    filters=" ".join(_FILTERS),
                    region=REGION,
                    least_part=LEAST_PART_BYTES,
                    access_key=ACCESS_KEY,
                    secret_key=SECRET_KEY,
                )
            else:
                text += _BACKEND.format(kind=kind)
            self._write(f"{kind}-server.conf", text)
        ports = [str(self._ports[kind]) for kind in KINDS]
        module = [sys.executable, "-m", "tests.servers.swift_rings", str(self._etc), *ports]
        subprocess.run(module, cwd=ROOT, check=True)

    def _write(self, name: str, text: str) -> None:
        (self._etc / name).write_text(text)

    def answers(self) -> bool:
        """Whether it lists buckets, which needs all four of its processes."""
        if not all(listens(port) for port in self._ports.values()):
            return False
        try:
            self.client(attempts=1).list_buckets()
        except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError):
            return False
        return True

    def client(self, attempts: int = 3) -> Any:
        """A boto3 client with all rights."""
        return boto3.client(
            "s3",
            endpoint_url=self.url,
            region_name=REGION,
            aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=SECRET_KEY,
            config=botocore.client.Config(retries={"total_max_attempts": attempts}),
        )

    def bucket(self, name: str | None = None) -> str:
        """Make a bucket; its name."""
        name = name or f"b-{secrets.token_hex(6)}"
        self.client().create_bucket(Bucket=name)
        return name
