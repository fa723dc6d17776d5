"""A RabbitMQ node of its own, with an Erlang port mapper of its own."""

from __future__ import annotations

import base64
import hashlib
import itertools
import json
import os
import secrets
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

import pika
import pika.exceptions

from tests.servers import install
from tests.servers.container import Container, Image
from tests.servers.native import Native, Program
from tests.servers.ports import HOST, free_ports, listens
from tests.servers.server import Server

USER = PASSWORD = "actverse"
ADVANCED = Path(__file__).resolve().parents[2] / "deploy" / "rabbitmq" / "advanced.config"
CONSUMER_TIMEOUT_MS = 72 * 3600 * 1000  # a worker acknowledges late, and training takes long
VHOSTS = 16  # made at the first start, because making one by rabbitmqctl takes seconds
_INSIDE = "/etc/rabbitmq"


def _definitions(vhosts: Sequence[str]) -> dict[str, object]:
    salt = secrets.token_bytes(4)
    digest = base64.b64encode(salt + hashlib.sha256(salt + PASSWORD.encode()).digest()).decode()
    rights = {"user": USER, "configure": ".*", "write": ".*", "read": ".*"}
    return {
        "users": [
            {
                "name": USER,
                "password_hash": digest,
                "hashing_algorithm": "rabbit_password_hashing_sha256",
                "tags": "administrator",
            }
        ],
        "vhosts": [{"name": name} for name in vhosts],
        "permissions": [{**rights, "vhost": name} for name in vhosts],
    }


class RabbitMQ(Server):
    """`plugins` such as `rabbitmq_management` cost seconds at every start, so none is the default."""

    ready_s = 120.0

    def __init__(self, folder: Path, *, plugins: Sequence[str] = ()) -> None:
        super().__init__(folder)
        folder = self.folder
        self.port, self._dist, self._epmd, self.management_port = free_ports(4)
        self._vhosts = (f"v{n}" for n in itertools.count(1))
        self._programs = install.programs("rabbitmq")
        self._native = Native(self.log)
        conf, definitions = folder / "rabbitmq.conf", folder / "definitions.json"
        names = ["/", *(f"v{n}" for n in range(1, VHOSTS + 1))]
        definitions.write_text(json.dumps(_definitions(names)))
        inside = self._programs is None
        lines = {
            "load_definitions": f"{_INSIDE}/definitions.json" if inside else str(definitions),
            "consumer_timeout": str(CONSUMER_TIMEOUT_MS),
            "disk_free_limit.absolute": "50MB",
            "vm_memory_high_watermark.absolute": "1GB",
            "log.file.level": "warning",
        }
        if not inside:
            lines["listeners.tcp.1"] = f"{HOST}:{self.port}"
            if "rabbitmq_management" in plugins:
                lines["management.tcp.ip"] = HOST
                lines["management.tcp.port"] = str(self.management_port)
        conf.write_text("".join(f"{key} = {value}\n" for key, value in lines.items()))
        (folder / "enabled_plugins").write_text(f"[{','.join(plugins)}].\n")
        given = (conf, definitions, folder / "enabled_plugins", ADVANCED)
        files = {f"{_INSIDE}/{p.name}": p for p in given}
        image = Image(install.IMAGES["rabbitmq"], 5672, files=files)
        self._container = Container(image, self.port) if inside else None

    @property
    def url(self) -> str:
        return self.vhost("/")

    def vhost(self, name: str) -> str:
        """The URL of a virtual host."""
        return f"amqp://{USER}:{PASSWORD}@{HOST}:{self.port}/{quote(name, safe='')}"

    def fresh(self) -> str:
        """The URL of a virtual host that nobody used yet."""
        name = next(self._vhosts)
        if int(name[1:]) > VHOSTS:
            self.ctl("add_vhost", name)
            self.ctl("set_permissions", "-p", name, USER, ".*", ".*", ".*")
        return self.vhost(name)

    @property
    def _environment(self) -> dict[str, str]:
        return {
            "HOME": str(self.folder),  # the Erlang cookie
            "LANG": "C.UTF-8",
            "ERL_EPMD_PORT": str(self._epmd),
            "ERL_EPMD_ADDRESS": HOST,
            "RABBITMQ_NODENAME": f"actverse-{self.port}@localhost",
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(self._dist),
            "RABBITMQ_MNESIA_BASE": str(self.folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(self.folder / "log"),
            "RABBITMQ_PID_FILE": str(self.folder / "pid"),
            "RABBITMQ_CONFIG_FILE": str(self.folder / "rabbitmq"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(ADVANCED),
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.folder / "enabled_plugins"),
            # No busy waiting: idle schedulers would burn a core that the test needs.
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": (
                "-kernel inet_dist_use_interface {127,0,0,1} +sbwt none +sbwtdcpu none"
            ),
            "RUNNING_UNDER_SYSTEMD": "1",  # the script becomes the server, instead of its parent
        }

    @property
    def _runner(self) -> Native | Container:
        return self._container or self._native

    def _launch(self) -> None:
        if self._container:
            self._container.start()
            return
        environment = self._environment
        # Ours, in the foreground: the one that Erlang starts by itself is nobody's child.
        mapper = shutil.which("epmd") or "epmd"
        self._native.start(Program([mapper, "-port", str(self._epmd)], environment))
        while not listens(self._epmd):
            if not self._native.runs():
                raise RuntimeError(f"epmd ended: {self.log.read_text()[-500:]}")
        self._native.start(Program([f"{self._programs}/rabbitmq-server"], environment))

    def answers(self) -> bool:
        """Whether it takes connections to the last of its virtual hosts."""
        if not listens(self.port):
            return False
        asked = pika.URLParameters(self.vhost(f"v{VHOSTS}"))
        asked.socket_timeout = asked.blocked_connection_timeout = 5
        try:
            pika.BlockingConnection(asked).close()
        except (pika.exceptions.AMQPError, OSError):
            return False
        return True

    def ctl(self, *arguments: str) -> str:
        """What `rabbitmqctl` prints; it takes a second or two.

        Raises:
            RuntimeError: it failed, with what it said.
        """
        if self._container:
            return self._container.execute("rabbitmqctl", "-q", *arguments)
        done = subprocess.run(
            [f"{self._programs}/rabbitmqctl", "-q", *arguments],
            env={**os.environ, **self._environment},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"rabbitmqctl {arguments[0]} failed: {done.stderr or done.stdout}")
        return done.stdout
