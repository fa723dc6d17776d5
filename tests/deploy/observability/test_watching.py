"""Alerts and dashboard speak only of figures that the code has."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from shared.pipelines import atlas
from shared.telemetry import table  # noqa: F401 - it fills TABLE
from shared.telemetry.figures import TABLE, Figure

ROOT = Path(__file__).resolve().parents[3]
PROMETHEUS = ROOT / "deploy" / "prometheus"
DASHBOARD = ROOT / "deploy" / "grafana" / "dashboards" / "actverse.json"
THEIRS = re.compile(r"(rabbitmq|nv|process)_\w+|up")  # of the servers' own exporters
WORD = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
PROMQL = {
    *("sum", "max", "min", "avg", "count", "topk", "by", "without", "on", "and", "or", "unless"),
    *("rate", "increase", "delta", "histogram_quantile", "absent", "vector", "le"),
}
NAMED = re.compile(r"\{([^}]*)\}")
GROUPED = re.compile(r"\bby \(([^)]*)\)")


def alerts() -> list[dict[str, Any]]:
    groups = yaml.safe_load((PROMETHEUS / "alerts.yml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def panels() -> list[dict[str, Any]]:
    found = json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]
    return [panel for panel in found if panel["type"] != "row"]


def expressions() -> Iterator[tuple[str, str]]:
    for rule in alerts():
        yield rule["alert"], rule["expr"]
    for panel in panels():
        for target in panel["targets"]:
            yield panel["title"], target["expr"]


def figure_of(name: str) -> Figure | None:
    for suffix in ("", "_bucket", "_sum", "_count"):
        figure = TABLE.get(name.removesuffix(suffix)) if name.endswith(suffix) else None
        if figure is not None and bool(suffix) == (figure.kind == "histogram"):
            return figure
    return None


def metrics_of(expression: str) -> set[str]:
    """The names that are neither PromQL's own nor labels."""
    bare = re.sub(r"\[[^\]]*\]|\"[^\"]*\"", "", GROUPED.sub("", NAMED.sub("", expression)))
    return {word for word in WORD.findall(bare) if word not in PROMQL}


every = pytest.mark.parametrize(("where", "expression"), list(expressions()))


@every
def test_every_metric_named_exists(where: str, expression: str) -> None:
    named = metrics_of(expression)
    assert named, where
    for name in named:
        assert figure_of(name) or THEIRS.fullmatch(name), f"{where}: there is no {name}"


@every
def test_every_label_named_belongs_to_a_metric_of_the_expression(
    where: str, expression: str
) -> None:
    figures = [figure_of(name) for name in metrics_of(expression)]
    if None in figures:  # a server's own exporter: its labels are not ours to know
        return
    known = {label for figure in figures if figure for label in figure.labels} | {"le"}
    selected = {w for part in NAMED.findall(expression) for w in re.findall(r"(\w+)\s*[=!]", part)}
    grouped = {w for part in GROUPED.findall(expression) for w in WORD.findall(part)}
    assert selected | grouped <= known, where


def test_a_legend_uses_what_its_expression_keeps() -> None:
    for panel in panels():
        for target in panel["targets"]:
            used = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
            kept = {w for p in GROUPED.findall(target["expr"]) for w in WORD.findall(p)}
            assert used <= kept, panel["title"]


def test_an_alert_says_what_is_wrong_and_what_to_do() -> None:
    names = [rule["alert"] for rule in alerts()]
    assert len(names) == len(set(names))
    for rule in alerts():
        assert rule["labels"]["severity"] in {"warning", "critical"}
        assert len(rule["annotations"]["summary"]) > 10
        assert len(rule["annotations"]["description"]) > 30, rule["alert"]


def test_every_figure_is_shown_or_watched() -> None:
    shown = {name for _, expression in expressions() for name in metrics_of(expression)}
    figures = {figure.name for name in shown if (figure := figure_of(name))}
    assert set(TABLE) - figures == set()


def test_every_service_is_scraped() -> None:
    config = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text())
    jobs = {job["job_name"]: job for job in config["scrape_configs"]}
    scraped = {n: c["port"] for c in jobs["actverse"]["dns_sd_configs"] for n in c["names"]}
    services = {name.replace("_", "-") for name in atlas.services()}
    assert set(scraped) == services | {"gateway", "clock", "beat"}
    assert set(scraped.values()) == {9100}
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    servers = {"rabbitmq", "triton"}
    assert set(scraped) | servers <= set(compose)
    assert jobs["rabbitmq"]["static_configs"] == [{"targets": ["rabbitmq:15692"]}]
    assert jobs["triton"]["static_configs"] == [{"targets": ["triton:8002"]}]


def test_the_dashboard_is_as_grafana_reads_it() -> None:
    board = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    source = yaml.safe_load(
        (ROOT / "deploy/grafana/provisioning/datasources/prometheus.yml").read_text()
    )["datasources"][0]
    assert board["schemaVersion"] >= 39
    assert board["uid"]
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    taken: set[tuple[int, int]] = set()
    for panel in board["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24, panel["title"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, f"{panel['title']} covers another panel"
        taken |= cells
        for target in panel.get("targets", ()):
            assert target["datasource"] == {"type": source["type"], "uid": source["uid"]}
        refs = [target["refId"] for target in panel.get("targets", ())]
        assert len(refs) == len(set(refs))


with_promtool = pytest.mark.skipif(
    shutil.which("promtool") is None, reason="promtool is not installed (Debian: prometheus)"
)


@with_promtool
def test_alerts_speak_when_they_should_and_only_then(tmp_path: Path) -> None:
    cases = tmp_path / "cases.yml"
    cases.write_text((Path(__file__).parent / "alerts_fire.yml").read_text())
    shutil.copy(PROMETHEUS / "alerts.yml", tmp_path / "alerts.yml")
    tested = subprocess.run(
        ["promtool", "test", "rules", str(cases)], capture_output=True, text=True, check=False
    )
    assert tested.returncode == 0, tested.stdout + tested.stderr


@with_promtool
def test_prometheus_itself_takes_config_alerts_and_queries(tmp_path: Path) -> None:
    checked = subprocess.run(
        ["promtool", "check", "config", str(PROMETHEUS / "prometheus.yml")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
    rules = [
        {"record": f"q:{number}", "expr": expression}
        for number, (_, expression) in enumerate(expressions())
    ]
    queries = tmp_path / "queries.yml"
    queries.write_text(yaml.safe_dump({"groups": [{"name": "all", "rules": rules}]}))
    parsed = subprocess.run(
        ["promtool", "check", "rules", str(queries)], capture_output=True, text=True, check=False
    )
    assert parsed.returncode == 0, parsed.stdout + parsed.stderr
