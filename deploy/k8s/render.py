"""Kustomizations to manifests, without a binary: the few features that `deploy/k8s` keeps to.

Anything else in a kustomization is refused, so that nothing is checked here which `kubectl apply -k`
would read differently; where `kubectl` is installed, a test compares the two.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

Manifest = dict[str, Any]

KNOWN = {"apiVersion", "kind", "resources", "namespace", "patches"}
TARGET = {"kind", "name", "labelSelector"}
WITHOUT_NAMESPACE = {"Namespace", "PersistentVolume", "ClusterRole", "ClusterRoleBinding"}
MERGED_BY = {  # lists that a strategic merge joins; every other list is replaced whole
    "containers": "name",
    "initContainers": "name",
    "env": "name",
    "volumes": "name",
    "volumeMounts": "mountPath",
    "ports": "containerPort",
}


class Unreadable(Exception):
    """A kustomization uses what is not read here, or names what is not there."""


@dataclass(frozen=True)
class Patch:
    """A partial manifest, and whom it is for; `target` is empty where its own name says it."""

    content: Manifest
    target: dict[str, str]

    def fits(self, manifest: Manifest) -> bool:
        """Whether the patch is for `manifest`."""
        if not self.target:
            return identity(manifest)[:2] == identity(self.content)[:2]
        wanted = dict(
            pair.split("=") for pair in self.target.get("labelSelector", "").split(",") if pair
        )
        labels = manifest["metadata"].get("labels", {})
        return (
            self.target.get("kind", manifest["kind"]) == manifest["kind"]
            and self.target.get("name", name_of(manifest)) == name_of(manifest)
            and wanted.items() <= labels.items()
        )


def name_of(manifest: Manifest) -> str:
    """`metadata.name`."""
    return str(manifest["metadata"]["name"])


def identity(manifest: Manifest) -> tuple[str, str, str]:
    """Kind, name and namespace: no two manifests share them."""
    return manifest["kind"], name_of(manifest), manifest["metadata"].get("namespace", "")


def documents(file: Path) -> list[Manifest]:
    """The manifests of one file."""
    if not file.is_file():
        raise Unreadable(f"{file} does not exist.")
    return [d for d in yaml.safe_load_all(file.read_text(encoding="utf-8")) if d is not None]


def render(folder: Path) -> list[Manifest]:
    """What `kubectl kustomize <folder>` prints, as data; the order is that of the resources.

    Raises `Unreadable` with the file and what is wrong in it.
    """
    file = folder / "kustomization.yaml"
    (about,) = documents(file)
    if unknown := about.keys() - KNOWN:
        raise Unreadable(f"{file}: {', '.join(sorted(unknown))} is not read here.")
    manifests: list[Manifest] = []
    for resource in about.get("resources", []):
        path = (folder / resource).resolve()
        manifests += render(path) if path.is_dir() else documents(path)
    seen: set[tuple[str, str, str]] = set()
    for manifest in manifests:
        if identity(manifest) in seen:
            raise Unreadable(f"{file}: {'/'.join(identity(manifest)[:2])} is there twice.")
        seen.add(identity(manifest))
    for entry in about.get("patches", []):
        manifests = _patched(manifests, _patch(folder, entry), file)
    if namespace := about.get("namespace"):
        for manifest in manifests:
            if manifest["kind"] == "Namespace":
                manifest["metadata"]["name"] = namespace
            elif manifest["kind"] not in WITHOUT_NAMESPACE:
                manifest["metadata"]["namespace"] = namespace
    return manifests


def _patch(folder: Path, entry: dict[str, Any]) -> Patch:
    if entry.keys() - {"path", "target"} or entry.get("target", {}).keys() - TARGET:
        raise Unreadable(f"{folder}: a patch may have a path, and a target of {sorted(TARGET)}.")
    (content,) = documents(folder / entry["path"])
    return Patch(content, entry.get("target", {}))


def _patched(manifests: list[Manifest], patch: Patch, file: Path) -> list[Manifest]:
    if not any(patch.fits(manifest) for manifest in manifests):
        raise Unreadable(f"{file}: the patch {name_of(patch.content)} is for nobody.")
    change = {k: v for k, v in patch.content.items() if k not in {"apiVersion", "kind"}}
    change["metadata"] = {k: v for k, v in change["metadata"].items() if k != "name"}
    return [merged(m, change) if patch.fits(m) else m for m in manifests]


def merged(base: Any, change: Any, field: str = "") -> Any:
    """`base` with `change` in it, as a strategic merge does; neither is changed itself."""
    if isinstance(base, dict) and isinstance(change, dict):
        result = dict(base)
        for key, value in change.items():
            if key.startswith("$"):
                raise Unreadable(f"the directive {key} of a patch is not read here.")
            if value is None:
                result.pop(key, None)
            else:
                result[key] = merged(base.get(key), value, key)
        return result
    if isinstance(base, list) and isinstance(change, list) and field in MERGED_BY:
        by = MERGED_BY[field]
        changes = {each[by]: each for each in change}
        known = {each[by] for each in base}
        kept = [merged(each, changes[each[by]]) if each[by] in changes else each for each in base]
        return [*kept, *(deepcopy(each) for each in change if each[by] not in known)]
    return deepcopy(change)
