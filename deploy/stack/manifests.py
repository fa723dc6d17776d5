"""Writes what deployments say about the workers, from `services/*/deployment.toml`.

    python -m deploy.stack.manifests           writes; `make manifests` does, with the pins
    python -m deploy.stack.manifests --check   fails when something is not what the data say

Everything that it writes is committed, and is read as it stands: a part of docker-compose.yml, a
part of prometheus.yml, and the folder `deploy/k8s/base/workers` but for its patches, which are
written by hand. What only one worker has in Kubernetes stands in a `<name>.patch.yaml` there.
"""

from __future__ import annotations

import sys
from pathlib import Path

from deploy.stack import pins, workers_compose, workers_kubernetes
from deploy.stack.deployment import ROOT, Deployment, deployments
from shared.errors import BadInput

COMPOSE = ROOT / "docker-compose.yml"
PROMETHEUS = ROOT / "deploy" / "prometheus" / "prometheus.yml"
WORKERS = ROOT / "deploy" / "k8s" / "base" / "workers"
BEGIN, END = "# --- by `make manifests`", "# --- until here by `make manifests`"
"""A part of a file is between a line that begins so and a line that is so, indented as you like."""
HEAD = "# Written by `make manifests` from services/{}/deployment.toml.\n"


def wanted() -> dict[Path, str]:
    """Every file that is written, whole, as it should be; `BadInput` says which data are wrong."""
    workers = deployments()
    found = {WORKERS / f"{w.name}.yaml": _of_one(w) for w in workers}
    patches = sorted(p.name for p in WORKERS.glob("*.patch.yaml") if p.name != "common.patch.yaml")
    about = workers_kubernetes.kustomization(workers, patches)
    found[WORKERS / "kustomization.yaml"] = HEAD.format("*") + about
    found[COMPOSE] = _with_part(COMPOSE, "\n".join(map(workers_compose.service_of, workers)))
    found[PROMETHEUS] = _with_part(PROMETHEUS, "".join(map(workers_compose.scraped, workers)))
    return found


def _of_one(worker: Deployment) -> str:
    return HEAD.format(worker.service) + workers_kubernetes.manifests(worker)


def _with_part(file: Path, part: str) -> str:
    """The text of `file` with what stands between its two marks replaced."""
    lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
    begins = [n for n, line in enumerate(lines) if line.lstrip().startswith(BEGIN)]
    ends = [n for n, line in enumerate(lines) if line.strip() == END]
    if len(begins) != 1 or len(ends) != 1 or begins[0] > ends[0]:
        raise BadInput(f'{file.name} needs one line "{BEGIN} ..." and, after it, one "{END}".')
    return "".join([*lines[: begins[0] + 1], part, *lines[ends[0] :]])


def left_over(files: dict[Path, str]) -> list[Path]:
    """Manifests of workers that are no more."""
    patches = set(WORKERS.glob("*.patch.yaml"))
    return sorted(set(WORKERS.glob("*.yaml")) - patches - files.keys())


def problems() -> list[str]:
    """What is committed and not what the data say, a sentence each."""
    files = wanted()
    cure = "run `make manifests`, and commit what it writes."
    wrong = [
        f"{path.relative_to(ROOT)} is not what services/*/deployment.toml say: {cure}"
        for path, text in files.items()
        if not path.is_file() or path.read_text(encoding="utf-8") != text
    ]
    gone = [f"{p.relative_to(ROOT)} is of no service: {cure}" for p in left_over(files)]
    return wrong + gone


def main(arguments: list[str]) -> int:
    """Write, the pins too, or only compare; 1 when something differs or the data are wrong."""
    try:
        if "--check" in arguments:
            wrong = problems()
            print("".join(f"{sentence}\n" for sentence in wrong), end="", file=sys.stderr)
            return 1 if wrong else pins.main(["--check"])
        files = wanted()
    except BadInput as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    for path, text in files.items():
        path.write_text(text, encoding="utf-8")
    for path in left_over(files):
        path.unlink()
    return pins.main([])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
