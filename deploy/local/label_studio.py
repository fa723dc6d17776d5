"""Label Studio on this machine, from a venv of its own, wired to the mesh of `make up`.

    python -m deploy.local.label_studio

Its account, its token and the secret of its webhook are made once and kept in the data folder; the
launcher of the mesh gives the same to the services (`wired`), so either may be started first. Traps
of the tool that are handled here:

- it moves silently to the next port when its own is taken: we look whether the port is free, and
  whether who answers there knows our token;
- the legacy token is accepted only when that was allowed at the very first start;
- it phones home (analytics, versions, errors) unless it is told not to;
- it refuses to call webhooks on loopback unless its guard against that is off.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import signal
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import httpx

from deploy.local.ports import is_free
from deploy.local.supervisor import child_argv
from shared.errors import Conflict, Unavailable
from shared.net.secret_file import kept_secret
from shared.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
VENV = ROOT / ".venv-label-studio"
LOOPBACK = "127.0.0.1"
PORT = 8090
READY_S = 300.0  # the very first start migrates its database: 70-170 s on two cores
END_S = 10.0
ACCOUNT_FILE = "label_studio.json"
FOLDER = "label_studio"


@dataclass(frozen=True)
class Account:
    """Who may use this Label Studio."""

    username: str
    password: str
    token: str  # 40 hexadecimal digits
    webhook_secret: str

    @classmethod
    def kept(cls, data_dir: Path) -> Account:
        """The one of this data folder (mode 600), made when there is none."""
        kept = kept_secret(
            data_dir / ACCOUNT_FILE, lambda: json.dumps(asdict(cls.fresh()), indent=1)
        )
        return cls(**json.loads(kept))

    @classmethod
    def fresh(cls) -> Account:
        """One that nobody has used yet."""
        return cls(
            "annotator@actverse.local",
            secrets.token_urlsafe(18),
            secrets.token_hex(20),
            secrets.token_urlsafe(32),
        )


def url_of(port: int = PORT) -> str:
    """Where it listens."""
    return f"http://{LOOPBACK}:{port}"


def wired(settings: Settings) -> dict[str, str]:
    """What the services of a mesh are given, so that they find this Label Studio.

    Nothing where the operator has connected another one, or where it was never installed.
    """
    if settings.labeling.label_studio_url or not (VENV / "bin" / "label-studio").exists():
        return {}
    account = Account.kept(settings.data_dir)
    return {
        "ACTVERSE_LABELING__LABEL_STUDIO_URL": url_of(),
        "ACTVERSE_LABELING__LABEL_STUDIO_TOKEN": account.token,
        "ACTVERSE_LABELING__LABEL_STUDIO_WEBHOOK_SECRET": account.webhook_secret,
    }


def command(folder: Path, account: Account, port: int) -> tuple[list[str], dict[str, str]]:
    """The program and what is added to its environment; `folder` holds everything that it stores."""
    argv = [str(VENV / "bin" / "label-studio"), "start", "--no-browser", "--init"]
    argv += ["--internal-host", LOOPBACK, "--port", str(port)]
    env = {
        "LABEL_STUDIO_BASE_DATA_DIR": str(folder.absolute()),
        "LABEL_STUDIO_USERNAME": account.username,
        "LABEL_STUDIO_PASSWORD": account.password,
        "LABEL_STUDIO_USER_TOKEN": account.token,
        "LABEL_STUDIO_ENABLE_LEGACY_API_TOKEN": "true",
        "LABEL_STUDIO_DISABLE_SIGNUP_WITHOUT_LINK": "true",
        "DJANGO_DB": "sqlite",
        "COLLECT_ANALYTICS": "false",
        "LATEST_VERSION_CHECK": "false",
        "FEATURE_FLAGS_OFFLINE": "true",
        "SENTRY_DSN": "",
        "FRONTEND_SENTRY_DSN": "",
        # it only ever calls back the mesh on this machine, and fetches nothing for strangers
        "SSRF_PROTECTION_ENABLED": "false",
    }
    return argv, env


def answers(port: int, token: str) -> bool:
    """Whether the one with our token listens there; another's Label Studio does not count."""
    key = {"Authorization": f"Token {token}"}
    try:
        with httpx.Client(base_url=url_of(port), timeout=5, trust_env=False) as client:
            up = client.get("/health").json().get("status") == "UP"
            return up and client.get("/api/current-user/whoami", headers=key).status_code == 200
    except (httpx.HTTPError, ValueError):
        return False


def run(settings: Settings, port: int = PORT) -> None:
    """Start it, say where it is, and keep it until somebody ends this process."""
    if not (VENV / "bin" / "label-studio").exists():
        raise Unavailable("Label Studio is not installed; run deploy/local/setup.sh label_studio.")
    if not is_free(LOOPBACK, port):
        raise Conflict(f"Port {port} is in use; end the program that has it.")
    account = Account.kept(settings.data_dir)
    folder = settings.data_dir / FOLDER
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    log = settings.data_dir / "logs" / "label_studio.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    argv, env = command(folder, account, port)
    print("Label Studio starts; the very first time it takes some minutes ...", flush=True)
    with log.open("ab") as output:
        bound = child_argv(["deploy.local.label_studio", "--become", *argv], signal.SIGTERM)
        process = subprocess.Popen(
            bound, cwd=ROOT, env={**os.environ, **env}, stdout=output, stderr=output
        )
    try:
        _wait(process, port, account, log)
        print(f"\n  URL       {url_of(port)}\n  User      {account.username}")
        print(f"  Password  {account.password}   (kept in {settings.data_dir / ACCOUNT_FILE})")
        print("  `make up` is wired to it: submit tasks with the labeler label_studio.")
        print("  Stop with Ctrl-C.\n", flush=True)
        if process.wait() != 0:
            raise Unavailable(f"Label Studio ended by itself; see {log}.")
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(END_S)
        process.kill()


def _wait(process: subprocess.Popen[bytes], port: int, account: Account, log: Path) -> None:
    deadline = time.monotonic() + READY_S
    while not answers(port, account.token):
        if process.poll() is not None or time.monotonic() > deadline:
            raise Unavailable(f"Label Studio did not start; see {log}.")
        time.sleep(0.2)


def main() -> int:
    """Run until Ctrl-C; `--become` replaces this process by the tool itself."""
    if sys.argv[1:2] == ["--become"]:
        os.execv(sys.argv[2], sys.argv[2:])  # noqa: S606 - no shell wanted
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        run(Settings())
    except KeyboardInterrupt:
        return 0
    except (Conflict, Unavailable) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
