"""A pipeline and a service that the project does not have, as somebody would add them."""

from __future__ import annotations

import shutil
from pathlib import Path

from deploy.stack.deployment import ROOT

NEWCOMER = {
    "shared/events/greeting.py": '''\
"""Somebody is greeted."""

from __future__ import annotations

from shared.events.base import DomainEvent


class GreetingRequested(DomainEvent, name="EVENT_GREETING_REQUESTED"):
    """Greet whoever has sent a file."""

    file_path: str


class GreetingCompleted(DomainEvent, name="EVENT_GREETING_COMPLETED"):
    """The words are said."""

    words: str
''',
    "shared/pipelines/greeting.py": '''\
"""A file in, a greeting out."""

from __future__ import annotations

from shared.events import greeting as e
from shared.pipelines.dsl import Options, Pipeline, Step


class GreetingOptions(Options):
    """Whose sender is greeted."""

    file_path: str


GREETING = Pipeline(
    "greeting",
    Step("greeter", on=e.GreetingRequested, run=("greet",), emits=e.GreetingCompleted),
    options=GreetingOptions,
    title="A greeting",
)
''',
    "services/greeter/__init__.py": '''\
"""Greets people who send files, and keeps none of them; it never asks who they are."""
''',
    "services/greeter/schemas.py": '''\
"""What travels between the tasks of the greeter."""

from __future__ import annotations

from shared.flow.work import Job


class GreetingJob(Job):
    """A file on its way to a greeting."""

    file_path: str
    words: str = ""
''',
    "services/greeter/tasks.py": '''\
"""Finds the words."""

from __future__ import annotations

from services.greeter.schemas import GreetingJob
from shared.flow.work import Run, task


@task()
def greet(job: GreetingJob, run: Run) -> GreetingJob:
    """The words for a file. May run twice: the same file has the same words."""
    run.report(1.0)
    return job.having(words=f"Thank you for {job.file_path}.")
''',
    "services/greeter/api.py": '''\
"""The greeter's own routes."""

from __future__ import annotations

from fastapi import APIRouter

router = APIRouter(prefix="/greetings", tags=["greetings"])


@router.get("/words")
def words() -> list[str]:
    """What it can say."""
    return ["Thank you"]
''',
    "services/greeter/requirements.txt": "# It needs nothing beyond deploy/requirements/mesh.txt.\n",
    "services/greeter/deployment.toml": """\
processes = 3

[compose]
size = "small"

[kubernetes]
requests = { cpu = "50m", memory = "192Mi" }
limits = { cpu = "500m", memory = "512Mi" }
""",
}
"""Path -> content of every new file that is written by hand."""
WRITTEN_ELSEWHERE = {
    "docker-compose.yml",
    "deploy/prometheus/prometheus.yml",
    "deploy/k8s/base/workers/greeter.yaml",
    "deploy/k8s/base/workers/kustomization.yaml",
}
"""What `make manifests` then writes."""
LEFT_OUT = {"data_storage", "triton_models"}


def copy_of_the_project(to: Path) -> Path:
    """The checkout as it stands, without what is made when it runs."""

    def left_out(folder: str, names: list[str]) -> set[str]:
        top = LEFT_OUT if Path(folder) == ROOT else set()
        return {n for n in names if n.startswith(".") or n == "__pycache__" or n in top}

    shutil.copytree(ROOT, to, ignore=left_out)
    return to


def newcomer(project: Path) -> Path:
    """The pipeline and its service put into `project`; the atlas learns of it in two lines."""
    for path, text in NEWCOMER.items():
        file = project / path
        file.parent.mkdir(exist_ok=True)
        file.write_text(text, encoding="utf-8")
    atlas = project / "shared" / "pipelines" / "atlas.py"
    lines = atlas.read_text(encoding="utf-8")
    for old, new in (
        ("*SPEECH_PIPELINES)", "*SPEECH_PIPELINES, GREETING)"),
        (
            "from shared.pipelines.learning import",
            "from shared.pipelines.greeting import GREETING\nfrom shared.pipelines.learning import",
        ),
    ):
        assert lines.count(old) == 1
        lines = lines.replace(old, new)
    atlas.write_text(lines, encoding="utf-8")
    return project
