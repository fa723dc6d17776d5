"""The manifests against the schemas, and against the code that they deploy."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from copy import deepcopy
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml

from deploy.k8s import check
from deploy.k8s.render import identity
from shared import wiring
from shared.bus.topology import named
from shared.flow.worker import usual_processes
from shared.pipelines import atlas
from shared.settings import Settings
from shared.web.gate import OPEN
from tests.deploy.k8s.manifests import (
    NAMES,
    containers,
    examples,
    of_kind,
    rendered,
    templates,
)

DOCKERFILE = (check.HERE.parent / "Dockerfile").read_text()
WORKERS = {service: service.replace("_", "-") for service in atlas.services()}
TARGETS = {*re.findall(r"^FROM \S+ AS (\S+)", DOCKERFILE, re.MULTILINE), *WORKERS} - {"worker"}
each_overlay = pytest.mark.parametrize("overlay", NAMES)


@each_overlay
def test_kubectl_reads_them_as_we_do(overlay: str) -> None:
    if shutil.which("kubectl") is None:
        pytest.skip("kubectl is not on this machine; what we render is checked without it")
    done = subprocess.run(
        ["kubectl", "kustomize", check.HERE / "overlays" / overlay],
        capture_output=True,
        text=True,
        check=True,
    )
    theirs = {identity(m): _sorted(m) for m in yaml.safe_load_all(done.stdout)}
    assert {identity(m): _sorted(m) for m in rendered(overlay)} == theirs


def _sorted(value: Any) -> Any:
    """Without the order of lists whose items have names; that of a command stays."""
    if isinstance(value, dict):
        return {key: _sorted(each) for key, each in value.items()}
    if isinstance(value, list):
        inner = [_sorted(each) for each in value]
        named_items = all(isinstance(each, dict) for each in inner)
        return sorted(inner, key=lambda e: json.dumps(e, sort_keys=True)) if named_items else inner
    return value


def _one(kind: str, name: str) -> dict[str, Any]:
    return deepcopy(of_kind("gpu", kind)[name])


def test_a_field_that_kubernetes_does_not_know_is_a_problem() -> None:
    manifest = _one("Deployment", "gateway")
    manifest["spec"]["template"]["spec"]["containers"][0]["readinesProbe"] = {}
    assert any("readinesProbe" in problem for problem in check.problems(manifest))


@pytest.mark.parametrize(
    ("name", "value"),
    [("quueName", "model_trainer"), ("value", 5), ("mode", "Depth"), ("host", "amqp://a:b@c")],
)
def test_a_trigger_that_keda_would_ignore_or_refuse_is_a_problem(name: str, value: Any) -> None:
    manifest = _one("ScaledObject", "model-trainer")
    manifest["spec"]["triggers"][0]["metadata"][name] = value
    assert list(check.problems(manifest))


def test_every_manifest_is_what_the_api_server_takes(capsys: pytest.CaptureFixture[str]) -> None:
    assert check.main() == 0, capsys.readouterr().out
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines] == NAMES  # nothing but a line for each


def test_a_patch_that_fits_nobody_fails_the_check(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.yaml").write_text("{apiVersion: v1, kind: ConfigMap, metadata: {name: a}}")
    (tmp_path / "b.yaml").write_text("{apiVersion: v1, kind: ConfigMap, metadata: {name: b}}")
    (tmp_path / "kustomization.yaml").write_text("{resources: [a.yaml], patches: [{path: b.yaml}]}")
    monkeypatch.setattr(check, "OVERLAYS", (tmp_path,))
    assert check.main() == 1
    assert "the patch b is for nobody" in capsys.readouterr().out


@each_overlay
def test_every_service_has_its_worker_that_scales_and_survives_a_drain(overlay: str) -> None:
    queues = {queue.name for queue in wiring.topology(Settings(_env_file=None)).queues}
    deployments = of_kind(overlay, "Deployment")
    budgets, scaled = of_kind(overlay, "PodDisruptionBudget"), of_kind(overlay, "ScaledObject")
    assert scaled.keys() == set(WORKERS.values())
    for service, name in WORKERS.items():
        labels = deployments[name]["spec"]["template"]["metadata"]["labels"]
        assert labels["app.kubernetes.io/component"] == "worker"
        assert budgets[name]["spec"]["selector"]["matchLabels"].items() <= labels.items()
        assert "replicas" not in deployments[name]["spec"]  # KEDA decides
        spec = scaled[name]["spec"]
        assert spec["scaleTargetRef"] == {"name": name}
        assert 1 <= spec["minReplicaCount"] <= spec["maxReplicaCount"]
        asked = {trigger["metadata"]["queueName"] for trigger in spec["triggers"]}
        assert asked == {named(service), f"{named(service)}.events"} <= queues


@each_overlay
def test_images_are_the_workers_and_targets_of_the_dockerfile(overlay: str) -> None:
    pods = templates(overlay)
    for name, pod in pods.items():
        for container in containers(pod):
            image = container["image"]
            assert ":" in image or image.removeprefix("actverse/") in TARGETS, (name, image)
    for service, name in WORKERS.items():
        (worker,) = pods[name]["spec"]["containers"]
        assert worker["image"] == f"actverse/{service}"
        assert "command" not in worker and "args" not in worker  # the image knows


def test_workers_stop_by_giving_their_work_back() -> None:
    stages = re.split(r"^FROM ", DOCKERFILE, flags=re.MULTILINE)
    (stage,) = [s for s in stages if re.match(r"\S+ AS worker\s", s)]
    assert "STOPSIGNAL SIGQUIT" in stage
    assert "exec python" in stage, "or a shell would take the signal"
    grace = {n: p["spec"]["terminationGracePeriodSeconds"] for n, p in templates("gpu").items()}
    assert grace["model-trainer"] >= 300
    assert min(grace[name] for name in WORKERS.values()) >= 60


@each_overlay
def test_settings_are_settings_and_fit(overlay: str, monkeypatch: pytest.MonkeyPatch) -> None:
    given = dict(of_kind(overlay, "ConfigMap")["settings"]["data"])
    for secret in examples().values():
        given |= {name: value for name, value in secret.items() if name.isupper()}
    known = _names(Settings, "ACTVERSE_")
    assert {name for name in given if name not in known} == set()
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    settings = Settings(_env_file=None)
    wiring.topology(settings)
    assert settings.database_url.startswith("postgresql+psycopg://")
    assert settings.model.device == ("gpu" if overlay == "gpu" else "cpu")
    assert settings.worker.concurrency.keys() <= WORKERS.keys()
    assert settings.worker.concurrency.get("model_trainer", usual_processes("model_trainer")) == 1
    assert settings.gateway.port == 8080 and settings.gateway.host == "0.0.0.0"
    assert settings.notify.urls[0].startswith("mailtos://")
    asked = parse_qs(urlsplit(settings.storage_url).query)
    assert asked["link_endpoint"] == ["none"]  # browsers do not know the cluster's names
    triton = of_kind(overlay, "Deployment")["triton"]["spec"]["template"]["spec"]["containers"][0]
    assert 1 <= settings.model.threads <= int(triton["resources"]["limits"]["cpu"])


def _names(model: Any, prefix: str) -> set[str]:
    found = set()
    for name, field in model.model_fields.items():
        inner = field.annotation
        if hasattr(inner, "model_fields"):
            found |= _names(inner, f"{prefix}{name.upper()}__")
        else:
            found.add(f"{prefix}{name.upper()}")
    return found


@each_overlay
def test_the_gateway_is_asked_about_its_servers_for_readiness_only(overlay: str) -> None:
    (gateway,) = templates(overlay)["gateway"]["spec"]["containers"]
    assert gateway["readinessProbe"]["httpGet"]["path"] == "/health/ready"
    alive = gateway["livenessProbe"]["httpGet"]["path"]
    assert alive in OPEN and not alive.startswith("/health")


@each_overlay
def test_a_training_has_a_card_of_its_own(overlay: str) -> None:
    holders = {}
    for name, pod in templates(overlay).items():
        for container in containers(pod):
            cards = container["resources"]["limits"].get("nvidia.com/gpu")
            if cards is not None:
                holders[name] = cards
                assert pod["spec"]["nodeSelector"] == {"nvidia.com/gpu.present": "true"}
                assert {t["key"] for t in pod["spec"]["tolerations"]} == {"nvidia.com/gpu"}
    assert holders == ({"model-trainer": 1, "triton": 1} if overlay == "gpu" else {})
