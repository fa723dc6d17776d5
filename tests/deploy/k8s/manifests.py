"""Ways through rendered manifests that several tests take."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from deploy.k8s.check import HERE, OVERLAYS
from deploy.k8s.render import Manifest, name_of, render

NAMES = [overlay.name for overlay in OVERLAYS]


@cache
def _rendered(overlay: str) -> tuple[Manifest, ...]:
    return tuple(render(HERE / "overlays" / overlay))


def rendered(overlay: str) -> list[Manifest]:
    return list(_rendered(overlay))


def of_kind(overlay: str, kind: str) -> dict[str, Manifest]:
    return {name_of(m): m for m in rendered(overlay) if m["kind"] == kind}


def templates(overlay: str) -> dict[str, Manifest]:
    """The pods of everything that makes pods, by its name."""
    kinds = {"Deployment", "Job", "CronJob", "StatefulSet", "DaemonSet"}
    return {name_of(m): m["spec"]["template"] for m in rendered(overlay) if m["kind"] in kinds}


def containers(pod: dict[str, Any]) -> list[dict[str, Any]]:
    """All of a pod's, those that only run at its start too."""
    return [*pod["spec"].get("initContainers", []), *pod["spec"]["containers"]]


def selected(overlay: str, selector: dict[str, Any]) -> set[str]:
    """Whose pods a selector takes; an empty one takes all."""
    wanted = selector.get("matchLabels", {})
    return {
        name
        for name, pod in templates(overlay).items()
        if wanted.items() <= pod["metadata"]["labels"].items()
    }


def egress(overlay: str) -> Iterator[tuple[str, dict[str, Any], set[int]]]:
    """(whose pods, one peer that they may call, at which ports), of all policies together."""
    for policy in of_kind(overlay, "NetworkPolicy").values():
        for rule in policy["spec"].get("egress", []):
            for name in selected(overlay, policy["spec"]["podSelector"]):
                for peer in rule["to"]:
                    yield name, peer, {port["port"] for port in rule["ports"]}


def examples() -> dict[str, dict[str, str]]:
    """Name and content of every secret, as its example file has it."""
    secrets = HERE / "secrets"
    about = yaml.safe_load((secrets / "kustomization.yaml").read_text())
    found: dict[str, dict[str, str]] = {}
    for entry in about["secretGenerator"]:
        (file,) = entry["envs"]
        lines = Path(secrets / f"{file}.example").read_text().splitlines()
        pairs = (line.partition("=")[::2] for line in lines if line and not line.startswith("#"))
        found[entry["name"]] = dict(pairs)
    return found
