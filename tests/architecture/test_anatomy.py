"""One anatomy for every service, files that can be read in one sitting, settings that are used."""

from __future__ import annotations

import ast
import re
from importlib import import_module
from pathlib import Path
from typing import get_args

import pytest

from services.labeling_manager.engines.table import ENGINES as LABELERS
from services.video_processor.engines.sources import SOURCES
from shared import settings
from shared.admission.ownership import SCHEMES
from shared.errors import ActverseError
from shared.pipelines import atlas
from shared.pipelines.vision import Labeler
from tests.architecture.source import ROOT, Module, modules

SERVICES = sorted(p.name for p in (ROOT / "services").iterdir() if (p / "__init__.py").exists())
ANATOMY = {"__init__", "api", "schemas", "tasks", "repository", "errors"}
OF_A_TOPIC = re.compile(r"\w+_(api|schemas|tasks|repository|errors|views)")
"""A service with several topics has some of these files for each: `rounds_repository`."""
NAMED = re.compile(r"`(\w+)`")
LONGEST = 300
LONGEST_TEST = 450
VAGUE = re.compile(r"(^|_)(utils?|helpers?|manager|misc|common|stuff)(_|$)")
PRIVATE = re.compile(r"(?<![\w}/.])/(work|root|home|Users|tmp)/\w")
TEXTS = {".py", ".md", ".toml", ".yml", ".yaml", ".sh", ".txt", ".json", ".pbtxt", ".cfg", ".ini"}


# --- services -------------------------------------------------------------------------------------


def files_of(service: str) -> set[str]:
    return {path.stem for path in (ROOT / "services" / service).glob("*.py")}


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_has_the_files_that_all_have(service: str) -> None:
    """What else there is, the service itself names, with a word for what it is there for."""
    told = import_module(f"services.{service}").__doc__ or ""
    more = {name for name in files_of(service) - ANATOMY if not OF_A_TOPIC.fullmatch(name)}
    named = {name for name in NAMED.findall(told) if not OF_A_TOPIC.fullmatch(name)}
    assert more == named, f"services/{service}/__init__.py names the files that not all have"
    assert ("tasks" in files_of(service)) == (service in atlas.services())


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_says_what_it_owns(service: str) -> None:
    told = import_module(f"services.{service}").__doc__ or ""
    assert len(told) > 60, "what it owns, and what it never does"


@pytest.mark.parametrize("service", [s for s in SERVICES if "errors" in files_of(s)])
def test_errors_are_ours_and_write_their_own_sentence(service: str) -> None:
    module = import_module(f"services.{service}.errors")
    for value in vars(module).values():
        if isinstance(value, type) and value.__module__ == module.__name__:
            assert issubclass(value, ActverseError), value


@pytest.mark.parametrize(
    "module", [m for m in modules("services") if m.name.endswith((".api", ".tasks"))]
)
def test_routes_and_tasks_leave_queries_to_the_repository(module: Module) -> None:
    assert not {n for n in module.at_load if n == "sqlalchemy"}, module.name


@pytest.mark.parametrize("service", [s for s in SERVICES if "api" in files_of(s)])
def test_routes_are_short(service: str) -> None:
    """Parse, call, return: what is longer belongs to somebody else."""
    module = next(m for m in modules("services") if m.name == f"services.{service}.api")
    for node in ast.walk(module.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert (node.end_lineno or 0) - node.lineno <= 45, node.name


@pytest.mark.parametrize(
    "path", sorted((ROOT / "services").glob("*/engines")), ids=lambda p: p.parent.name
)
def test_engines_stand_behind_a_port(path: Path) -> None:
    assert (path / "port.py").exists()
    assert "Protocol" in (path / "port.py").read_text(encoding="utf-8")


def test_what_the_door_knows_is_what_the_services_can() -> None:
    assert set(get_args(Labeler)) == set(LABELERS)
    assert set(SCHEMES) == set(SOURCES)


# --- files ----------------------------------------------------------------------------------------


def length(module: Module) -> int:
    return len(module.text.splitlines())


def test_a_file_can_be_read_in_one_sitting() -> None:
    assert {m.name: n for m in modules() if (n := length(m)) > LONGEST} == {}
    assert {m.name: n for m in modules("tests") if (n := length(m)) > LONGEST_TEST} == {}


def test_a_file_begins_by_saying_what_it_is() -> None:
    for module in modules():
        assert ast.get_docstring(module.tree), module.name
        if module.path.name == "__init__.py":
            assert len(module.tree.body) == 1, f"{module.name}: a docstring at most"
            continue
        second = module.tree.body[1]
        assert isinstance(second, ast.ImportFrom), module.name
        assert second.module == "__future__", module.name


def test_names_say_something() -> None:
    theirs = "labeling_manager"  # the name that its users gave it
    names = {p for m in modules() for p in m.path.relative_to(ROOT).with_suffix("").parts}
    assert [name for name in sorted(names - {theirs}) if VAGUE.search(name)] == []


def test_nothing_names_a_machine_of_ours() -> None:
    found = []
    own = [p for p in ROOT.iterdir() if not p.name.startswith(".") and p.name != "data_storage"]
    for path in (p for top in own for p in ([top] if top.is_file() else sorted(top.rglob("*")))):
        parts = path.relative_to(ROOT).parts
        if path.is_file() and (path.suffix in TEXTS or path.name in {"Makefile", "run"}):
            for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
                if PRIVATE.search(line):
                    found.append(f"{'/'.join(parts)}:{number}: {line.strip()[:100]}")
    assert found == []


@pytest.mark.parametrize("lock", sorted((ROOT / "deploy" / "requirements").glob("*.lock.txt")))
def test_locks_name_no_host_and_pin_by_hash(lock: Path) -> None:
    text = lock.read_text(encoding="utf-8")
    assert "://" not in text
    assert "--hash=sha256:" in text
    assert "index-url" not in text


# --- settings -------------------------------------------------------------------------------------


def _fields() -> list[tuple[str, str, str]]:
    """Every field of every group: group, name, docstring."""
    files = [Path(settings.__file__), *(ROOT / "shared" / "setting_groups").glob("*.py")]
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in files]
    found = []
    for group in (n for tree in trees for n in tree.body if isinstance(n, ast.ClassDef)):
        pairs = zip(group.body, [*group.body[1:], ast.Pass()], strict=True)
        for node, following in pairs:
            if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                told = following.value if isinstance(following, ast.Expr) else None
                text = told.value if isinstance(told, ast.Constant) else ""
                found.append((group.name, node.target.id, str(text)))
    return found


GROUPS = {
    name for name, f in settings.Settings.model_fields.items() if f.default_factory is not None
}


def test_no_group_is_left_out() -> None:
    assert {group for group, _, _ in _fields()} == {
        "Settings",
        *(type(getattr(settings.Settings(), name)).__name__ for name in GROUPS),
    }


def test_a_setting_is_explained_with_its_unit() -> None:
    units = {"_s": "seconds", "_bytes": "bytes"}
    for group, name, told in _fields():
        assert len(told) > 15 or name in GROUPS, f"{group}.{name} says no unit and no reason"
        for ending, unit in units.items():
            assert not name.endswith(ending) or unit in told, f"{group}.{name}"


def test_a_setting_has_a_reader() -> None:
    product = "\n".join(m.text for m in modules())
    unread = [f"{g}.{n}" for g, n, _ in _fields() if not re.search(rf"\.{n}\b", product)]
    assert unread == []
