"""The servers of the tests do what the tests rely on: they die, return with their data, and leave."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest
import redis

from shared.process import start_of
from tests.servers import container, install
from tests.servers.postgres import Postgres
from tests.servers.rabbitmq import ADVANCED, RabbitMQ
from tests.servers.redis import Redis
from tests.servers.s3 import S3Server

ROOT = Path(__file__).resolve().parents[2]

ABANDON = """
import sys, time
from pathlib import Path
import psutil
from tests.servers.postgres import Postgres
from tests.servers.redis import Redis

for kind in (Postgres, Redis):
    kind(Path(sys.argv[1]) / kind.__name__).start()
print(*(child.pid for child in psutil.Process().children(recursive=True)), flush=True)
time.sleep(60)
"""


def test_a_killed_postgres_returns_with_what_was_committed(tmp_path: Path) -> None:
    with Postgres(tmp_path, durable=True) as server:
        url = server.fresh().replace("+psycopg", "")
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 1 AS n")
            server.kill()
            with pytest.raises(psycopg.OperationalError):
                connection.execute("SELECT 1")
        assert not server.answers()
        server.start()
        with psycopg.connect(url) as connection:
            assert connection.execute("SELECT n FROM kept").fetchall() == [(1,)]


def test_a_redis_hangs_and_forgets(tmp_path: Path) -> None:
    with Redis(tmp_path) as server:
        client = redis.Redis.from_url(server.url, socket_timeout=0.2)
        client.set("k", "v")
        server.pause()
        with pytest.raises(redis.TimeoutError):
            client.get("k")
        server.resume()
        assert client.get("k") == b"v"
        server.empty()
        assert client.get("k") is None
        client.set("k", "v")
        server.restart()
        assert client.get("k") is None
        client.close()


def test_an_s3_server_refuses_what_s3_refuses(s3_server: S3Server, s3_bucket: str) -> None:
    client = s3_server.client()
    client.put_object(Bucket=s3_bucket, Key="a/ü.txt", Body=b"12345")
    assert client.get_object(Bucket=s3_bucket, Key="a/ü.txt")["Body"].read() == b"12345"
    with pytest.raises(client.exceptions.ClientError, match=r"BadDigest|InvalidDigest"):
        client.put_object(
            Bucket=s3_bucket, Key="b", Body=b"1", ContentMD5="1B2M2Y8AsgTpgAmY7PhCfg=="
        )


def test_rabbitmq_waits_for_a_lost_delay_as_in_production(rabbitmq: RabbitMQ) -> None:
    given = "dead_letter_worker_publisher_confirm_timeout"
    assert f"{{{given}, 10000}}" in ADVANCED.read_text()
    told = rabbitmq.ctl("eval", f"application:get_env(rabbit, {given}).")
    assert told.strip() == "{ok,10000}"


@pytest.mark.slow
def test_a_killed_rabbitmq_returns_on_its_port(tmp_path: Path) -> None:
    with RabbitMQ(tmp_path) as server:
        server.ctl("eval", "ok.")
        server.restart()
        assert server.answers()
        assert "259200000" in server.ctl("environment")


def test_no_server_outlives_its_process(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", ABANDON, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout
    servers = [int(pid) for pid in process.stdout.readline().split()]
    assert len(servers) > 2
    process.send_signal(signal.SIGKILL)
    process.wait()
    deadline = time.monotonic() + 30
    while left := [pid for pid in servers if start_of(pid)]:
        assert time.monotonic() < deadline, left
        time.sleep(0.05)


def test_what_is_missing_is_said_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(install, "_programs", lambda server: None)
    monkeypatch.setattr(install, "_install", lambda: "this is not root on a Debian-like system")
    monkeypatch.setattr(container, "answers", lambda: False)
    install.programs.cache_clear()
    with pytest.raises(install.Missing, match=r"need redis.*not root.*Install rabbitmq-server"):
        install.programs("redis")
    install.programs.cache_clear()
