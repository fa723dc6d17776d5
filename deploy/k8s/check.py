"""Reads every manifest as the API server would: `python -m deploy.k8s.check`.

Each overlay is rendered, each manifest goes through Kubernetes' own schema in its strict form (an
unknown field is an error), and KEDA's kinds through `keda.schema.yaml`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import kubernetes_validate
import yaml
from jsonschema import Draft202012Validator

from deploy.k8s.render import Manifest, Unreadable, identity, render

HERE = Path(__file__).parent
OVERLAYS = tuple(sorted(each.parent for each in HERE.glob("overlays/*/kustomization.yaml")))
OLDEST, NEWEST = "1.31", "1.37"
"""The versions of Kubernetes that the manifests are for: both ends are checked."""


@cache
def keda_schema(kind: str) -> dict[str, Any] | None:
    """The schema of one of KEDA's kinds; None for a kind that we do not use."""
    whole = yaml.safe_load((HERE / "keda.schema.yaml").read_text(encoding="utf-8"))
    branch = next((b for b in whole["oneOf"] if b["title"] == kind), None)
    return branch and {**branch, "$defs": whole["$defs"]}


def problems(manifest: Manifest) -> Iterator[str]:
    """What is wrong with one manifest, a sentence each."""
    kind, name, _ = identity(manifest)
    if str(manifest["apiVersion"]).startswith("keda.sh/"):
        schema = keda_schema(kind)
        if schema is None:
            yield f"{kind} {name}: keda.schema.yaml does not know this kind"
            return
        for error in Draft202012Validator(schema).iter_errors(manifest):
            yield f"{kind} {name}: {error.json_path}: {error.message}"
        return
    for version in (OLDEST, NEWEST):
        try:
            kubernetes_validate.validate(manifest, version, strict=True)
        except kubernetes_validate.ValidationError as error:
            where = ".".join(str(part) for part in error.path)
            yield f"{kind} {name} (Kubernetes {version}): {where}: {error.message}"
        except kubernetes_validate.SchemaNotFoundError:
            yield f"{kind} {name}: Kubernetes {version} has no {manifest['apiVersion']} {kind}"


def main() -> int:
    """Check all overlays; 1 when something is wrong, each problem on a line."""
    wrong = 0
    known: dict[str, list[str]] = {}  # overlays have most manifests in common
    for overlay in OVERLAYS:
        try:
            manifests = render(overlay)
        except Unreadable as error:
            print(f"{overlay.name}: {error}")
            wrong += 1
            continue
        found: list[str] = []
        for manifest in manifests:
            text = json.dumps(manifest, sort_keys=True)
            if text not in known:
                known[text] = list(problems(manifest))
            found += known[text]
        for problem in found:
            print(f"{overlay.name}: {problem}")
        print(f"{overlay.name}: {len(manifests)} manifests, {len(found)} problems")
        wrong += len(found)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
