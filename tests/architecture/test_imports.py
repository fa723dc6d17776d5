"""Who may import whom; nothing heavy at load, nothing in a circle."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys

from tests.architecture.source import ROOT, Module, modules

FLOORS = (
    {"sentences"},
    {"messages"},
    {"errors", "redaction", "process", "setting_groups"},
    {"events", "settings", "db", "log", "net", "labels", "fields", "failures"},
    {"telemetry"},
    {"pipelines", "bus", "progress", "storage", "serving"},
    {"vision", "platform"},
    {"wiring"},
    {"flow"},
    {"admission"},
    {"web"},
)
"""The parts of `shared`, from the ground up; each imports only from floors below its own."""

HEAVY = {
    "apprise",
    "av",
    "boto3",
    "botocore",
    "cv2",
    "onnx",
    "nncf",
    "onnxruntime",
    "openvino",
    "scipy",
    "torch",
    "torchvision",
    "triton_python_backend_utils",
    "tritonclient",
    "ultralytics",
}
ENGINES_OF_SHARED = {
    "shared.storage.s3",  # boto3
    "shared.storage.s3_client",
    "shared.storage.s3_direct",
    "shared.storage.s3_errors",
    "shared.serving.triton_python_model",  # runs inside Triton, with its packages
    "shared.vision.geometry",  # cv2
    "shared.vision.metrics",
}
"""Modules of `shared` that are engines: their heavy library is what they are about."""
ALONE = {"shared.db.migrations.env"}  # run by Alembic, cannot be imported
ENTRIES = re.compile(r"services\.\w+(\.(api|schemas|tasks|repository|errors))?")


def part(name: str) -> str:
    return name.split(".")[1]


def floor_of(name: str) -> int:
    found = [n for n, parts in enumerate(FLOORS) if part(name) in parts]
    assert found, f"shared.{part(name)} has no floor; give it one"
    return found[0]


def of_shared(module: Module) -> set[str]:
    return {name for name in module.imports if name.startswith("shared.")}


def test_shared_stands_on_its_own() -> None:
    for module in modules("shared"):
        above = {n for n in module.imports if n.split(".")[0] in {"services", "deploy", "tests"}}
        assert above == set(), module.name


def test_each_part_imports_only_from_below() -> None:
    wrong = [
        f"{module.name} imports {name}"
        for module in modules("shared")
        for name in sorted(of_shared(module))
        if part(name) != part(module.name) and floor_of(name) >= floor_of(module.name)
    ]
    assert wrong == []


def test_a_service_knows_no_other() -> None:
    wrong = [
        f"{module.name} imports {name}"
        for module in modules("services")
        for name in sorted(module.imports - {"services"})
        if name.split(".")[0] in {"deploy", "tests"}
        or (name.startswith("services.") and part(name) != part(module.name))
    ]
    assert wrong == []


def test_nothing_is_imported_in_a_circle() -> None:
    graph = {m.name: {n for n in m.at_load if n != m.name} for m in modules()}
    done: set[str] = set()

    def follow(name: str, way: tuple[str, ...]) -> None:
        assert name not in way, " -> ".join([*way[way.index(name) :], name])
        if name in done:
            return
        for following in sorted(graph.get(name, ())):
            follow(following, (*way, name))
        done.add(name)

    for name in graph:
        follow(name, ())


def test_only_the_composition_root_knows_adapters() -> None:
    """Their names are strings there; nobody else speaks of these classes but their own files."""
    wiring = (ROOT / "shared" / "wiring.py").read_text(encoding="utf-8")
    adapters = dict(re.findall(r'"(shared(?:\.\w+)+):([A-Z]\w+)"', wiring))
    assert len(adapters) >= 5
    assert not set(adapters) & {
        n for m in modules("shared") if m.name == "shared.wiring" for n in m.imports
    }
    wrong = [
        f"{module.name} imports {name} of {node.module}"
        for module in modules("shared", "services")
        for node in ast.walk(module.tree)
        if isinstance(node, ast.ImportFrom) and node.module in adapters
        for name in [alias.name for alias in node.names]
        if name == adapters[node.module]
    ]
    assert wrong == []


def _loadable() -> list[str]:
    shared = {m.name for m in modules("shared")} - ENGINES_OF_SHARED - ALONE
    shared = {n for n in shared if "migrations" not in n and not n.endswith("__main__")}
    services = {m.name for m in modules("services") if ENTRIES.fullmatch(m.name)}
    return sorted(shared | services)


LOAD = """
import importlib, json, sys
names, heavy = json.loads(sys.argv[1])
found = {}
for name in names:
    importlib.import_module(name)
    new = sorted({m.partition(".")[0] for m in sys.modules} & set(heavy))
    if new:
        found[name] = new
        heavy = [h for h in heavy if h not in new]
print(json.dumps(found))
"""


def test_loading_a_service_loads_nothing_heavy() -> None:
    """In a process of its own: a worker, the gateway and the launcher must start at once."""
    names = _loadable()
    assert len(names) > 80
    asked = json.dumps([names, sorted(HEAVY)])
    done = subprocess.run(
        [sys.executable, "-c", LOAD, asked], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {}, "module: heavy libraries that came with it"


def test_a_heavy_library_stays_in_its_engine() -> None:
    wrong = {
        module.name: heavy
        for module in modules("shared", "services")
        if (heavy := {name.split(".")[0] for name in module.at_load} & HEAVY)
        and module.name not in ENGINES_OF_SHARED
        and ".engines." not in module.name
    }
    assert wrong == {}


def test_the_list_of_engines_is_no_longer_than_needed() -> None:
    known = {m.name: m for m in modules("shared")}
    for name in ENGINES_OF_SHARED:
        loaded = known[name].at_load
        assert {n.split(".")[0] for n in loaded} & HEAVY or loaded & ENGINES_OF_SHARED, name
