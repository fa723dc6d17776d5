"""What is written from `deployment.toml` is what is committed, and a new service needs no more."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
import yaml

from deploy.local.triton import free_ports
from deploy.stack import deployment, manifests
from deploy.stack.deployment import ROOT
from shared.errors import BadInput
from shared.flow.worker import usual_processes
from shared.pipelines import atlas
from shared.settings import Settings
from tests.bench.worlds import running
from tests.deploy.stack.newcomer import NEWCOMER, WRITTEN_ELSEWHERE, copy_of_the_project, newcomer

PATIENCE_S = 90.0
SENTENCE = "run `make manifests`"


def test_what_is_committed_is_what_the_data_say() -> None:
    assert manifests.problems() == []


@pytest.mark.parametrize("service", atlas.services())
def test_a_worker_has_the_processes_of_its_file_unless_a_setting_says_otherwise(
    service: str,
) -> None:
    assert usual_processes(service) == deployment.deployment(service).processes
    assert service not in Settings(_env_file=None).worker.concurrency


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ("procceses = 2", r"procceses\n +Extra inputs are not permitted"),
        ('internet = "web"', "internet and internet_for go together"),
        ('internet = "all"\ninternet_for = "fun"', "'web' or 'news'"),
        ('[kubernetes]\nlimits = { cpu = "2", memory = "4G" }', "limits.memory"),
        ("[kubernetes]\none_less_after_s = 60", "one_less_after_s and one_less_every_s"),
        ('[compose]\nsize = "huge"', "'small', 'worker' or 'torch'"),
        ('service = "other"', "multiple values"),
        ("processes =", "Invalid value"),
    ],
)
def test_wrong_data_are_refused_with_the_file_and_the_reason(
    data: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deployment, "ROOT", tmp_path)
    folder = tmp_path / "services" / "greeter"
    folder.mkdir(parents=True)
    with pytest.raises(BadInput, match=r"services/greeter/deployment.toml is missing"):
        deployment.deployment("greeter")
    (folder / "deployment.toml").write_text(data, encoding="utf-8")
    with pytest.raises(BadInput, match=r"services/greeter/requirements.txt is missing"):
        deployment.deployment("greeter")
    (folder / "requirements.txt").write_text("# nothing\n", encoding="utf-8")
    with pytest.raises(BadInput, match=f"(?s)^services/greeter/deployment.toml: .*{said}"):
        deployment.deployment("greeter")


def test_a_file_without_its_marks_is_told_what_it_lacks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "docker-compose.yml"
    file.write_text("services:\n  # --- by `make manifests` from data\n", encoding="utf-8")
    monkeypatch.setattr(manifests, "COMPOSE", file)
    with pytest.raises(BadInput, match=r"docker-compose.yml needs one line .* and, after it, one"):
        manifests.wanted()


def test_a_manifest_of_a_service_that_is_no_more_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(manifests, "WORKERS", tmp_path)
    for name in ("gone.yaml", "notification.yaml", "gone.patch.yaml", "notification.patch.yaml"):
        (tmp_path / name).touch()
    files = manifests.wanted()
    assert manifests.left_over(files) == [tmp_path / "gone.yaml"]
    about = yaml.safe_load(files[tmp_path / "kustomization.yaml"])
    assert "gone.yaml" not in about["resources"]
    assert {"path": "gone.patch.yaml"} in about["patches"]  # by hand, so it stays: see render.py


# --- a service more ---------------------------------------------------------------------------------


Running = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project with one pipeline and one service more, and nothing else done."""
    return newcomer(copy_of_the_project(tmp_path_factory.mktemp("newcomer") / "project"))


@pytest.fixture(scope="module")
def run(project: Path) -> Running:
    """Runs a module of the copy, as people do at its top."""

    def run(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
        env = {**os.environ, **settings, "PYTHONPATH": str(project)}
        argv = [sys.executable, "-m", *arguments]
        return subprocess.run(
            argv, cwd=project, env=env, capture_output=True, text=True, check=False
        )

    return run


@pytest.fixture(scope="module")
def deployed(project: Path, run: Running) -> Path:
    """The same after `make manifests`, which said before that it is due."""
    before = run("deploy.stack.manifests", "--check")
    assert before.returncode == 1
    for path in WRITTEN_ELSEWHERE:
        assert f"{path} is not what services/*/deployment.toml say: {SENTENCE}" in before.stderr
    written = run("deploy.stack.manifests")
    assert written.returncode == 0, written.stderr
    return project


def test_a_new_service_is_deployed_by_its_own_folder_alone(deployed: Path) -> None:
    changed = {
        str(path.relative_to(deployed))
        for path in deployed.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and is_other(path, deployed)
    }
    own = {path for path in NEWCOMER if path.startswith("services/greeter/")}
    by_hand = {"shared/events/greeting.py", "shared/pipelines/greeting.py"}
    assert changed == own | by_hand | {"shared/pipelines/atlas.py"} | WRITTEN_ELSEWHERE
    services = yaml.safe_load((deployed / "docker-compose.yml").read_text())["services"]
    ours = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    assert services.pop("greeter")["build"]["args"]["SERVICE"] == "greeter"
    assert services == ours


def is_other(path: Path, project: Path) -> bool:
    here = ROOT / path.relative_to(project)
    return not here.is_file() or here.read_bytes() != path.read_bytes()


@pytest.mark.slow
def test_nothing_of_architecture_and_deployment_asks_for_more(deployed: Path, run: Running) -> None:
    tested = run(
        *("pytest", "-q", "-p", "no:cacheprovider", "-m", "not slow"),
        *("--deselect", "tests/deploy/stack/test_manifests_written.py"),
        *("tests/architecture", "tests/deploy/stack", "tests/deploy/k8s"),
        "tests/deploy/observability",
    )
    assert tested.returncode == 0, tested.stdout[-4000:]


@pytest.mark.slow
def test_its_pipeline_runs_and_its_routes_are_served(
    deployed: Path, run: Running, tmp_path: Path
) -> None:
    (port,) = free_ports(1)
    settings = {"ACTVERSE_DATA_DIR": str(tmp_path), "ACTVERSE_GATEWAY__PORT": str(port)}
    settings["PYTHONPATH"] = str(deployed)
    assert run("deploy.cli", "migrate", **settings).returncode == 0
    programs = ("shared.web.serve", "shared.flow.clock", "shared.flow.worker greeter")
    with contextlib.ExitStack() as stack:
        for program in programs:
            argv = ["-m", *program.split()]
            log = tmp_path / f"{argv[1].rpartition('.')[2]}.log"
            stack.enter_context(running(argv, settings, log, project=deployed))
        with at_the_door(f"http://127.0.0.1:{port}", tmp_path) as door:
            assert door.get("/greetings/words").json() == ["Thank you"]
            wish = {"pipeline": "greeting", "file_path": "https://example.org/ann.wav"}
            task = door.post("/tasks/", json=wish).raise_for_status().json()["task_id"]
            until(lambda: door.get(f"/tasks/{task}").json()["state"] == "SUCCEEDED")
    said = (tmp_path / "worker.log").read_text()
    assert "3 (prefork)" in said, "processes of its own deployment.toml"


@contextlib.contextmanager
def at_the_door(url: str, data: Path) -> Iterator[httpx.Client]:
    """A client of the administrator, once the gateway answers."""
    with httpx.Client(base_url=url, timeout=30) as door:
        until((data / "api_key").exists)
        door.headers["Authorization"] = f"Bearer {(data / 'api_key').read_text().strip()}"

        def ready() -> bool:
            with contextlib.suppress(httpx.TransportError):
                return door.get("/health/ready").status_code == 200
            return False

        until(ready)
        yield door


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.1)
