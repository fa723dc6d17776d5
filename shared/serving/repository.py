"""The model repository: the folder that the model server reads and only model_deployer writes.

    <root>/<name>/config.pbtxt          which versions are served, and how
    <root>/<name>/<version>/model.onnx
    <root>/<name>/<version>/spec.json   classes, task, image size, sha256, tensor shapes
    <root>/<name>/<version>/model.py    what the wheel's Python backend runs (platform "python"),
    <root>/<name>/<version>/openvino_network.py                                with what it imports
    <root>/<name>/UNLOADED              present while somebody wants the model off the server

A version appears whole, by one rename, before `config.pbtxt` names it; every verb may run twice.
Other files in a model's folder are left alone: the global model's sources lie there too.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

from shared.errors import Conflict, Invalid, NotFound, Terminal
from shared.serving.config_pbtxt import (
    PLATFORMS,
    Hardware,
    config_text,
    described,
    policy_versions,
    spec_from,
)
from shared.serving.onnx_file import Signature, read_signature
from shared.serving.port import ModelSpec
from shared.serving.repository_files import make_readable, replace_text, sha256_of, staging
from shared.setting_groups.models import ModelSettings

_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,99}")
_PROGRAMS = {
    "model.py": Path(__file__).with_name("triton_python_model.py"),
    "openvino_network.py": Path(__file__).with_name("openvino_network.py"),
}


class ModelRepository:
    """Reads and writes the folder; one writer at a time, any number of readers.

    `intra_op_threads`: processor threads of one inference run, 0 for all cores; short for a
    `hardware` that says nothing else. Everybody may read what is written here, whatever the umask:
    a Triton in a container runs as another user.
    """

    def __init__(
        self,
        root: Path,
        platform: str = "python",
        intra_op_threads: int = 0,
        *,
        hardware: Hardware | None = None,
    ) -> None:
        if platform not in PLATFORMS:
            raise Invalid(
                f"There is no model platform {platform!r}. Known: {', '.join(PLATFORMS)}."
            )
        self.root = root
        self.platform = platform
        self.hardware = hardware or Hardware(threads=intra_op_threads)

    @classmethod
    def from_settings(cls, settings: ModelSettings) -> ModelRepository:
        """The repository that the settings name, for the server that they describe."""
        hardware = Hardware(
            threads=settings.threads,
            gpu=settings.device == "gpu",
            instances=settings.instances,
            tensorrt=settings.tensorrt,
            engines=settings.tensorrt_engines,
        )
        return cls(settings.repository, settings.platform, hardware=hardware)

    def write(
        self,
        name: str,
        version: int | None,
        onnx: Path,
        *,
        classes: Sequence[str],
        task: str,
        image_size: int,
        kept_versions: int = 2,
        pinned: Iterable[int] = (),
    ) -> ModelSpec:
        """Add a version and serve it beside the newest of those served so far.

        `version=None` takes the next number, or the number under which the same file with the same
        classes is already there, so that a repeated step writes once. A number that is given must
        be higher than all others, or be that of the same content. `kept_versions` is how many stay
        served in all; those of `pinned` that are served now stay beside them. On other platforms than "python" an
        older version of another shape (classes, image size) is not kept: one Triton configuration
        describes one shape there.

        Raises `Invalid` for a name, a file or values that do not fit, `Conflict` for a version
        number that belongs to something else.
        """
        if not classes or image_size <= 0 or kept_versions < 1:
            raise Invalid(
                "A model needs at least one class, an image size above 0 and one kept version."
            )
        folder = self._folder(name)
        make_readable(folder)
        with staging(folder) as staged:
            shutil.copyfile(onnx, staged / "model.onnx")
            wanted = ModelSpec(
                name=name,
                version=version or 0,
                classes=tuple(classes),
                task=task,
                image_size=image_size,
                sha256=sha256_of(staged / "model.onnx"),
            )
            number, exists = self._number(name, version, wanted)
            spec = ModelSpec(**{**vars(wanted), "version": number})
            if not exists:
                signature = read_signature(
                    staged / "model.onnx", classes=len(classes), image_size=image_size
                )
                content = {**described(spec), "signature": vars(signature)}
                (staged / "spec.json").write_text(json.dumps(content, indent=1))
                for file in staged.iterdir():
                    file.chmod(0o644)
                staged.chmod(0o755)
                staged.replace(folder / str(number))
        kept = [v for v in self.served(name) or self.versions(name) if v < number]
        held = set(pinned) & set(kept)
        newer = [v for v in self.served(name) if v > number]
        kept = kept[len(kept) - (kept_versions - 1) :] if kept_versions > 1 else []
        self.serve(name, [*held, *kept, number, *newer])
        self.want(name, loaded=True)
        return spec

    def _number(self, name: str, version: int | None, wanted: ModelSpec) -> tuple[int, bool]:
        """The version number to use, and whether exactly this content is already there."""
        there = self.versions(name)
        same = [v for v in there if described(self.spec(name, v)) == described(wanted)]
        if version is None:
            return (same[-1], True) if same else (max(there, default=0) + 1, False)
        if version in same:
            return version, True
        if version < 1 or version <= max(there, default=0):
            raise Conflict(
                f"Model {name} already has version {max(there, default=0)}; a new one needs a higher number than {version}."
            )
        return version, False

    def serve(self, name: str, versions: Iterable[int]) -> None:
        """Name the versions that the server shall hold, for a roll-back too; then `load` the model."""
        chosen = sorted(set(versions))
        if not chosen:
            raise Invalid(f"Model {name} needs at least one version to serve; unload it instead.")
        specs = [self.spec(name, version) for version in chosen]
        signatures = [self._signature(name, version) for version in chosen]
        if self.platform != "python":
            specs = [s for s, g in zip(specs, signatures, strict=True) if g == signatures[-1]]
        else:
            self._put_programs(specs)
        text = config_text(specs, signatures[-1], self.platform, self.hardware)
        replace_text(self._folder(name) / "config.pbtxt", text)

    def renew_programs(self) -> None:
        """Put today's programs beside all models that a starting server shall load.

        Those of an older release may ask for packages that Triton's environment no longer has.
        """
        for name in self.to_load():
            self._put_programs([self.spec(name, version) for version in self.served(name)])

    def _put_programs(self, specs: Iterable[ModelSpec]) -> None:
        for spec in specs:
            for file, source in _PROGRAMS.items():
                replace_text(self._folder(spec.name, spec.version) / file, source.read_text())

    def served(self, name: str) -> list[int]:
        """The versions that `config.pbtxt` names, ascending; empty when there is none."""
        try:
            text = (self._folder(name) / "config.pbtxt").read_text()
        except FileNotFoundError:
            return []
        there = self.versions(name)
        return [v for v in policy_versions(text) if v in there]

    def models(self) -> list[str]:
        """The names of all models with at least one version."""
        if not self.root.is_dir():
            return []
        names = (p.name for p in self.root.iterdir() if _NAME.fullmatch(p.name) and p.is_dir())
        return sorted(name for name in names if self.versions(name))

    def versions(self, name: str) -> list[int]:
        """All versions on disk, ascending; empty for an unknown model."""
        folder = self._folder(name)
        if not folder.is_dir():
            return []
        return sorted(
            int(p.name)
            for p in folder.iterdir()
            if p.name.isascii() and p.name.isdigit() and (p / "spec.json").is_file()
        )

    def spec(self, name: str, version: int) -> ModelSpec:
        """The description of a version on disk; raises `NotFound`."""
        return spec_from(name, version, self._read(name, version))

    def onnx(self, name: str, version: int) -> Path:
        """The model file of a version; raises `NotFound`."""
        path = self._folder(name, version) / "model.onnx"
        if not path.is_file():
            raise _no_version(name, version)
        return path

    def remove(self, name: str, version: int) -> None:
        """Delete a version; the last one takes the configuration with it. Harmless when absent.

        Tell the server afterwards (`load`, or `unload` when nothing is left).
        """
        folder = self._folder(name)
        left = [v for v in self.versions(name) if v != version]
        served = [v for v in self.served(name) if v != version]
        if left:
            self.serve(name, served or left[-1:])
        else:
            (folder / "config.pbtxt").unlink(missing_ok=True)
            (folder / "UNLOADED").unlink(missing_ok=True)
        target = self._folder(name, version)
        if target.is_dir():
            with staging(folder) as staged:
                target.replace(staged / "removed")
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()

    def want(self, name: str, *, loaded: bool) -> None:
        """Remember whether the model belongs on the server, across the server's restarts."""
        marker = self._folder(name) / "UNLOADED"
        if loaded:
            marker.unlink(missing_ok=True)
        elif self.served(name):
            marker.touch()

    def wanted(self, name: str) -> bool:
        """Whether the model is configured and nobody took it off the server."""
        return bool(self.served(name)) and not (self._folder(name) / "UNLOADED").exists()

    def to_load(self) -> list[str]:
        """The models that a starting server shall load."""
        return [name for name in self.models() if self.wanted(name)]

    def _signature(self, name: str, version: int) -> Signature:
        values = self._read(name, version)["signature"]
        if not isinstance(values, dict):
            raise Terminal(
                f"spec.json of {name} version {version} is damaged; deploy the model again."
            )
        return Signature(
            input_dims=tuple(values["input_dims"]), output_dims=tuple(values["output_dims"])
        )

    def _read(self, name: str, version: int) -> dict[str, object]:
        path = self._folder(name, version) / "spec.json"
        try:
            values: dict[str, object] = json.loads(path.read_text())
        except FileNotFoundError:
            raise _no_version(name, version) from None
        except ValueError as error:
            raise Terminal(f"{path} is damaged ({error}); deploy the model again.") from error
        return values

    def _folder(self, name: str, version: int | None = None) -> Path:
        """A folder below the root, whatever was asked for."""
        if not _NAME.fullmatch(name):
            raise Invalid(
                f"{name!r} is no model name: use up to 100 of a-z, 0-9, '_', '.', '-', beginning with a letter or digit."
            )
        return self.root / name if version is None else self.root / name / str(int(version))


def _no_version(name: str, version: int) -> NotFound:
    return NotFound(
        f"The model repository has no version {version} of {name}; GET /models lists what there is."
    )
