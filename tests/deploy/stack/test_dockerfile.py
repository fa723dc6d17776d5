"""One Dockerfile: an image a service, each with the packages that its code imports."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name

from deploy.stack import pins
from deploy.stack.deployment import deployment, requirements_of
from shared.pipelines import atlas
from shared.web.serve import everybody
from tests.architecture.source import ROOT, Module, modules

TEXT = (ROOT / "deploy" / "Dockerfile").read_text(encoding="utf-8")
OTHERS = {"api_gateway", "beat", "clock", "flower", "operator"}
TARGETS = sorted({*atlas.services(), *OTHERS})
HEAVY = {"torch", "torchvision", "ultralytics"}
OWNERS = packages_distributions()  # import name -> packages
ONLY_WRITTEN_BY = {"shared.serving.onnx_file": "model_deployer"}  # the others read the repository
MODEL_SERVERS = ("shared.serving.triton_server", "shared.serving.openvino_server")
ASK_MODELS = {"api_gateway", "model_deployer", "model_inference"}
MODULES = {m.name: m for m in modules("shared", "services", "deploy")}
COMES_WITH = {"amqp": "celery", "botocore": "boto3", "urllib3": "boto3", "starlette": "fastapi"}
COMES_WITH |= {"anyio": "fastapi"}
COMES_WITH |= {"httpcore": "httpx", "tornado": "flower", "protobuf": "onnx"}


@cache
def stages() -> dict[str, tuple[str, str]]:
    """Name -> (what it stands on, its lines); the stage of workers once for each of them."""
    parts = re.split(r"^FROM (\S+) AS (\S+)$", TEXT, flags=re.MULTILINE)[1:]
    found = {n: (b, t) for b, n, t in zip(parts[::3], parts[1::3], parts[2::3], strict=True)}
    stands_on, lines = found.pop("worker")
    assert stands_on == "${LAYER}"
    for service in atlas.services():
        assert service not in found
        own = re.sub(r"\$\{SERVICE\}|\$SERVICE\b", service, lines)
        found[service] = (deployment(service).layer, own)
    return found


def lineage(target: str) -> Iterator[str]:
    while target in stages():
        yield target
        target = stages()[target][0]


def entry_points(target: str) -> list[str]:
    """The modules that the container runs, the jobs in its image included."""
    command = re.findall(
        r"\b(?:shared|deploy)\.[a-z_.]+", stages()[target][1].rpartition("\n\n")[0]
    )
    found = [*command, "shared.flow.heartbeat"]
    if target in atlas.services():
        found.append(f"services.{target}.tasks")
    if target == "model_deployer":
        found.append("services.model_deployer.install")
    if target == "api_gateway":
        found += [f"services.{name}.api" for name in everybody()]
    return found


def reached(target: str) -> dict[str, Module]:
    """Every module of ours that the entry points can come to load; adapters and programs by their strings."""
    todo, found = entry_points(target), {}
    if target in ASK_MODELS:
        todo += MODEL_SERVERS
    while todo:
        name = todo.pop()
        module = MODULES.get(name) or MODULES.get(f"{name}.__init__")
        if name in found or module is None or ONLY_WRITTEN_BY.get(name, target) != target:
            continue
        found[name] = module
        todo += module.imports
        todo += [n for n in named_engines(module.path) if n not in MODEL_SERVERS]
        todo += named_programs(module.path)
    return found


@cache
def named_engines(path: Path) -> list[str]:
    text = path.read_text(encoding="utf-8")
    return re.findall(r'"((?:shared|services)\.[\w.]+):\w+"', text)


@cache
def named_programs(path: Path) -> list[str]:
    """Modules that are run as processes of their own, which no import shows."""
    strings = re.findall(r'"((?:shared|services)\.[\w.]+)"', path.read_text(encoding="utf-8"))
    return [n for n in strings if n in MODULES and is_program(MODULES[n].path)]


def is_program(path: Path) -> bool:
    return '\nif __name__ == "__main__":' in path.read_text(encoding="utf-8")


def files(stage: str) -> list[Path]:
    """What the stage installs: the files that it copies to /requirements under the names it gives."""
    lines = stages()[stage][1]
    found = {}
    for line in re.findall(r"^COPY ((?:deploy|services)/.+)$", lines, re.MULTILINE):
        *sources, to = line.split()
        for source in sources:
            name = Path(source).name if to.endswith("/") else Path(to).name
            found[name] = ROOT / source
    return [found[name] for name in re.findall(r"install\.sh (\S+\.txt)", lines)]


def installed(target: str) -> set[str]:
    names = set()
    for stage in lineage(target):
        names |= {canonicalize_name(n.name) for f in files(stage) for n in requirements_of(f)}
    return names


def test_there_is_a_target_for_every_container() -> None:
    assert set(TARGETS) <= stages().keys()
    assert not TEXT.startswith("# syntax")


@pytest.mark.parametrize("target", TARGETS)
def test_a_target_reads_only_its_own_requirements(target: str) -> None:
    _, lines = stages()[target]
    own = f"services/{target}/requirements.txt"
    (file,) = files(target)
    assert str(file.relative_to(ROOT)) in {own, f"deploy/requirements/{target}.txt"}
    assert "USER 10001:10001" in lines
    code = lines.index("COPY shared/")
    assert lines.index("install.sh") < code, "an edit of code must not install packages again"


@pytest.mark.parametrize("target", TARGETS)
def test_an_image_has_what_its_code_imports(target: str) -> None:
    present = installed(target)
    missing = {}
    for name, module in reached(target).items():
        for top in {i.split(".")[0] for i in module.imports}:
            owners = {canonicalize_name(d) for d in OWNERS.get(top, [])}
            owners |= {COMES_WITH[o] for o in owners if o in COMES_WITH}
            if owners and not owners & present and not only_for_types(module, top):
                missing[f"{name}: {top}"] = sorted(owners)
    assert missing == {}


def only_for_types(module: Module, top: str) -> bool:
    """Whether the import serves annotations only."""
    text = module.path.read_text(encoding="utf-8")
    block = re.findall(r"^if TYPE_CHECKING:\n((?:    .*\n|\n)+)", text, re.MULTILINE)
    everywhere = re.findall(rf"^\s*(?:from|import) {re.escape(top)}\b", text, re.MULTILINE)
    return len(re.findall(rf"(?:from|import) {re.escape(top)}\b", "".join(block))) == len(
        everywhere
    )


@pytest.mark.parametrize("target", TARGETS)
def test_only_whose_code_imports_torch_carries_it(target: str) -> None:
    tops = {i.split(".")[0] for module in reached(target).values() for i in module.imports}
    assert bool(installed(target) & HEAVY) == bool(tops & HEAVY)


def test_a_layer_is_shared_by_those_who_need_all_of_it() -> None:
    """What a worker names itself, so that its image is right without the argument too."""
    layers = {service: deployment(service).layer for service in atlas.services()}
    assert layers["model_trainer"] == layers["model_deployer"] == "torch"
    for service, layer in layers.items():
        (own,) = files(service)
        named = {canonicalize_name(n.name) for n in requirements_of(own)}
        assert (layer == "torch") == bool(named & HEAVY), service


@pytest.mark.parametrize("target", atlas.services())
def test_a_worker_that_is_stopped_gives_its_work_back(target: str) -> None:
    assert "STOPSIGNAL SIGQUIT" in stages()[target][1]


def test_the_gateway_serves_everybody_who_has_routes() -> None:
    assert set(everybody()) == {path.parent.name for path in ROOT.glob("services/*/api.py")}


def test_no_weights_are_in_an_image() -> None:
    assert "triton_models" not in TEXT
    ignored = (ROOT / "deploy" / "Dockerfile.dockerignore").read_text(encoding="utf-8").split("\n")
    assert "*" in ignored
    assert "!triton_models" not in ignored


def test_the_pins_are_those_of_the_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert pins.main(["--check"]) == 0
    other = tmp_path / "pins.txt"
    other.write_text(pins.PINS.read_text(encoding="utf-8").replace("celery==", "celery==0."))
    monkeypatch.setattr(pins, "PINS", other)
    assert pins.main(["--check"]) == 1


def test_every_name_of_an_image_is_pinned() -> None:
    pinned = {line.split("==")[0] for line in pins.PINS.read_text(encoding="utf-8").splitlines()}
    for path in pins.image_files():
        for need in requirements_of(path):
            assert canonicalize_name(need.name) in pinned, f"{path}: {need.name}"
