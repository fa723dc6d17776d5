"""What docker-compose.yml promises about every container."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from deploy.stack.deployment import ROOT, deployment, requirements_of
from shared.pipelines import atlas

TEXT = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
FILE: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, dict[str, Any]] = FILE["services"]
JOBS = {
    "volumes",
    "bucket",
    "migrate",
    "global-model",
    "operator",
}  # they end, so nobody waits for health
RUNNING = sorted(SERVICES.keys() - JOBS)
PUBLISHED = {"gateway", "flower", "grafana"}
EXAMPLE = (ROOT / "deploy" / "env.example").read_text(encoding="utf-8")
SECRET = re.compile(r"PASS|SECRET|KEY|DATABASE|BROKER|CACHE|MC_HOST")


def variables(text: str) -> dict[str, str]:
    """NAME -> the operator after it (`:?`, `:-` ...), of every ${NAME...} in the text."""
    return dict(re.findall(r"\$\{([A-Z0-9_]+)(:?[-?+]|)", text))


def test_every_worker_of_the_mesh_has_a_container() -> None:
    assert {s.replace("_", "-") for s in atlas.services()} <= SERVICES.keys()
    assert {"gateway", "beat", "clock", "flower", "triton", "triton-gpu"} <= SERVICES.keys()


@pytest.mark.parametrize("name", RUNNING)
def test_who_runs_on_has_a_health_check_and_comes_back(name: str) -> None:
    service = SERVICES[name]
    test = service["healthcheck"]["test"]
    assert test[0] in {"CMD", "CMD-SHELL"}
    assert service["healthcheck"]["interval"]
    assert service["restart"] == "unless-stopped"


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_nobody_may_do_more_than_needed(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "cap_add" not in service
    assert "privileged" not in service
    assert "container_name" not in service, "or --scale cannot work"
    user = str(service.get("user", "10001" if "build" in service else "root"))
    assert user.partition(":")[0] not in {"0", "root"}


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_everybody_has_limits(name: str) -> None:
    limits = SERVICES[name]["deploy"]["resources"]["limits"]
    assert limits["cpus"]
    assert limits["memory"]


def test_only_the_doors_are_published_and_on_this_machine_only() -> None:
    assert {n for n, s in SERVICES.items() if "ports" in s} == PUBLISHED
    for name in PUBLISHED:
        (port,) = SERVICES[name]["ports"]
        assert re.match(r"\$\{[A-Z]+_ADDRESS:-127\.0\.0\.1\}:", port), port


def test_servers_live_in_a_network_that_leads_nowhere() -> None:
    assert FILE["networks"]["inside"] == {"internal": True}
    outside = {n for n, s in SERVICES.items() if "outside" in s.get("networks", [])}
    assert outside == PUBLISHED | callers() | {"operator"}


def callers() -> set[str]:
    """The containers of the services whose packages can call servers that users name."""
    found = set()
    for service in atlas.services():
        named = requirements_of(ROOT / "services" / service / "requirements.txt")
        if {n.name for n in named} & {"httpx", "apprise"}:
            found.add(service.replace("_", "-"))
    return found


@pytest.mark.parametrize("service", atlas.services())
def test_who_asks_the_models_waits_until_one_is_there_and_only_its_writer_writes(
    service: str,
) -> None:
    worker = SERVICES[service.replace("_", "-")]
    named = {n.name for n in requirements_of(ROOT / "services" / service / "requirements.txt")}
    models = [v for v in worker["volumes"] if v.partition(":")[0] == "models"]
    assert bool(models) == ("tritonclient" in named) == ("global-model" in worker["depends_on"])
    writes = models == ["models:/models"]
    assert writes == (deployment(service).models == "writes") == (service == "model_deployer")


def test_a_secret_is_required_and_never_written_down() -> None:
    for name, how in variables(TEXT).items():
        if re.search(r"PASSWORD|ACCESS_KEY|SECRET_KEY", name):
            assert how == ":?", name
    for name, service in SERVICES.items():
        for variable, value in service.get("environment", {}).items():
            if SECRET.search(variable) and value not in {"", None}:
                assert "${" in str(value), f"{name}: {variable}"


def test_the_example_names_what_is_required_and_nothing_unknown() -> None:
    named = set(re.findall(r"^#?([A-Z0-9_]+)=", EXAMPLE, re.MULTILINE))
    used = variables(TEXT)
    assert {n for n, how in used.items() if how == ":?"} <= named
    assert named <= used.keys() | {"COMPOSE_PROFILES"}


def test_nobody_starts_before_what_it_needs_is_ready() -> None:
    for name, service in SERVICES.items():
        for needed, how in service.get("depends_on", {}).items():
            done = needed in JOBS
            wanted = "service_completed_successfully" if done else "service_healthy"
            assert how["condition"] == wanted, f"{name} -> {needed}"


def test_the_broker_waits_three_days_for_a_worker() -> None:
    text = (ROOT / "deploy" / "rabbitmq" / "rabbitmq.conf").read_text(encoding="utf-8")
    milliseconds = int(re.findall(r"^consumer_timeout = (\d+)$", text, re.MULTILINE)[0])
    assert milliseconds == 72 * 3600 * 1000
