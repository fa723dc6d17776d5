from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from shared.errors import Conflict, Invalid, NotFound, Terminal
from shared.serving.port import ModelSpec
from shared.serving.repository import ModelRepository, sha256_of
from shared.setting_groups.models import ModelSettings

CLASSES = ("mouse", "fly")
OTHER = ("cat", "dog", "fly")


@pytest.fixture
def repository(tmp_path):
    return ModelRepository(tmp_path / "models")


def write(
    repository: ModelRepository, onnx: Path, name="fly", version=None, **changes
) -> ModelSpec:
    given = {"classes": CLASSES, "task": "detect", "image_size": 64, **changes}
    return repository.write(name, version, onnx, **given)


def config(repository: ModelRepository, name="fly") -> str:
    return (repository.root / name / "config.pbtxt").read_text()


def variant(onnx: Path, path: Path, remark: str) -> Path:
    """The same model as another file."""
    import onnx as library

    model = library.load(str(onnx))
    model.doc_string = remark
    library.save(model, str(path))
    return path


def test_a_version_is_written_whole(repository, tiny_onnx):
    spec = write(repository, tiny_onnx)
    assert spec == ModelSpec("fly", 1, CLASSES, "detect", 64, sha256_of(tiny_onnx))
    folder = repository.root / "fly"
    assert sorted(p.name for p in folder.iterdir()) == ["1", "config.pbtxt"]
    assert sorted(p.name for p in (folder / "1").iterdir()) == [
        "model.onnx",
        "model.py",
        "openvino_network.py",
        "spec.json",
    ]
    assert (folder / "1").stat().st_mode & 0o055 == 0o055  # a Triton of another user can read it
    assert repository.spec("fly", 1) == spec
    assert repository.models() == repository.to_load() == ["fly"]


def test_writing_the_same_again_changes_nothing(repository, tiny_onnx):
    first = write(repository, tiny_onnx)
    before = {p: p.stat().st_mtime_ns for p in repository.root.rglob("*") if p.is_file()}
    assert write(repository, tiny_onnx) == write(repository, tiny_onnx, version=1) == first
    assert {p: p.stat().st_mtime_ns for p in repository.root.rglob("*") if p.is_file()} == before


def test_a_writer_killed_before_the_configuration_is_taken_up(repository, tiny_onnx, other_onnx):
    write(repository, tiny_onnx)
    (repository.root / "fly" / "config.pbtxt").unlink()
    (repository.root / "fly" / ".new-abandoned").mkdir()
    assert repository.served("fly") == []
    assert repository.to_load() == []
    assert write(repository, tiny_onnx).version == 1
    assert repository.served("fly") == [1]
    assert repository.versions("fly") == [1]


def test_versions_rise_and_the_newest_two_are_served(repository, tiny_onnx, other_onnx, tmp_path):
    write(repository, tiny_onnx)
    write(repository, other_onnx, classes=OTHER)
    assert repository.served("fly") == [1, 2]
    third = write(repository, variant(tiny_onnx, tmp_path / "3.onnx", "third"), version=7)
    assert third.version == 7
    assert repository.versions("fly") == [1, 2, 7]
    assert repository.served("fly") == [2, 7]
    assert repository.spec("fly", 2).classes == OTHER
    alone = write(repository, variant(tiny_onnx, tmp_path / "4.onnx", "fourth"), kept_versions=1)
    assert (alone.version, repository.served("fly")) == (8, [8])


def test_a_number_that_is_taken_or_too_low_is_refused(repository, tiny_onnx, other_onnx):
    write(repository, tiny_onnx, version=3)
    for version in (3, 2, 0, -1):
        with pytest.raises((Conflict, Invalid)):
            write(repository, other_onnx, version=version, classes=OTHER)
    assert repository.versions("fly") == [3]


def test_other_class_names_make_another_version(repository, tiny_onnx):
    assert write(repository, tiny_onnx).version == 1
    assert write(repository, tiny_onnx, classes=("a", "b")).version == 2


def test_roll_back_and_forward(repository, tiny_onnx, other_onnx):
    write(repository, tiny_onnx)
    write(repository, other_onnx, classes=OTHER)
    repository.serve("fly", [1])
    assert repository.served("fly") == [1]
    assert "versions: [1]" in config(repository)
    repository.serve("fly", [2, 1])
    assert repository.served("fly") == [1, 2]
    with pytest.raises(NotFound):
        repository.serve("fly", [9])
    with pytest.raises(Invalid):
        repository.serve("fly", [])


def test_remove(repository, tiny_onnx, other_onnx):
    write(repository, tiny_onnx)
    write(repository, other_onnx, classes=OTHER)
    repository.remove("fly", 2)
    assert repository.served("fly") == repository.versions("fly") == [1]
    repository.remove("fly", 2)
    repository.remove("fly", 1)
    assert not (repository.root / "fly").exists()
    repository.remove("fly", 1)
    assert repository.models() == []


def test_remove_leaves_the_files_of_others(repository, tiny_onnx):
    folder = repository.root / "global"
    folder.mkdir(parents=True)
    shutil.copy(tiny_onnx, folder / "model.onnx")
    write(repository, folder / "model.onnx", name="global")
    repository.remove("global", 1)
    assert [p.name for p in folder.iterdir()] == ["model.onnx"]


def test_an_unloaded_model_is_not_loaded_at_the_next_start(repository, tiny_onnx):
    write(repository, tiny_onnx)
    repository.want("fly", loaded=False)
    assert repository.to_load() == []
    assert repository.versions("fly") == [1]
    repository.want("fly", loaded=True)
    assert repository.to_load() == ["fly"]
    repository.want("fly", loaded=False)
    write(repository, tiny_onnx)  # a deployment wants it back
    assert repository.to_load() == ["fly"]


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "../up", "a/b", "/etc", "A", "-a", ".hidden", "a b", "a\n", "ä", "a" * 101],
)
def test_no_name_leaves_the_root(repository, tiny_onnx, name):
    for call in (
        lambda: write(repository, tiny_onnx, name=name),
        lambda: repository.versions(name),
        lambda: repository.remove(name, 1),
        lambda: repository.want(name, loaded=False),
    ):
        with pytest.raises(Invalid, match="no model name"):
            call()
    assert not repository.root.exists() or not list(repository.root.iterdir())


def test_files_that_are_no_detectors_are_refused(repository, tiny_onnx, tmp_path):
    import onnx
    from onnxruntime.tools.onnx_model_utils import make_dim_param_fixed

    junk = tmp_path / "junk.onnx"
    junk.write_bytes(b"not a model")
    with pytest.raises(Invalid, match="not an ONNX file"):
        write(repository, junk)
    fixed = onnx.load(str(tiny_onnx))
    make_dim_param_fixed(fixed.graph, "batch", 1)
    onnx.save(fixed, str(tmp_path / "fixed.onnx"))
    with pytest.raises(Invalid, match="batch axis"):
        write(repository, tmp_path / "fixed.onnx")
    with pytest.raises(Invalid, match="shape"):
        write(repository, tiny_onnx, classes=OTHER)
    with pytest.raises(Invalid, match="shape"):
        write(repository, tiny_onnx, image_size=128)
    with pytest.raises(Invalid, match="class"):
        write(repository, tiny_onnx, classes=())
    assert repository.models() == []


def test_a_production_repository_needs_no_program(tmp_path, tiny_onnx, other_onnx):
    repository = ModelRepository(tmp_path, "onnxruntime")
    write(repository, tiny_onnx)
    text = config(repository)
    assert 'platform: "onnxruntime_onnx"' in text
    assert "dims: [3, 64, 64]" in text
    assert "dims: [6, 84]" in text
    assert not (tmp_path / "fly" / "1" / "model.py").exists()
    # one configuration describes one shape there: a version of another shape is not kept beside it
    write(repository, other_onnx, classes=OTHER)
    assert repository.served("fly") == [2]


def parsed(repository: ModelRepository, name="fly"):
    """The configuration as Triton reads it: by its own message type."""
    from google.protobuf import text_format
    from tritonclient.grpc import model_config_pb2

    return text_format.Parse(config(repository, name), model_config_pb2.ModelConfig())


@pytest.mark.parametrize("platform", ["python", "onnxruntime"])
def test_the_configuration_is_what_triton_calls_one(tmp_path, tiny_onnx, platform):
    repository = ModelRepository(tmp_path / "models", platform)
    odd = ('a "quoted" \\ one', "Mäuschen\n🐭")
    write(repository, tiny_onnx, classes=odd)
    read = parsed(repository)
    kind = (read.backend, read.platform)
    assert kind == (("python", "") if platform == "python" else ("", "onnxruntime_onnx"))
    assert (read.name, read.max_batch_size) == ("fly", 16)
    assert read.HasField("dynamic_batching")
    assert list(read.version_policy.specific.versions) == [1]
    versions = json.loads(read.parameters["versions"].string_value)
    assert tuple(versions["1"]["classes"]) == odd
    assert versions["1"]["sha256"] == sha256_of(tiny_onnx)
    (given,), (answered,) = read.input, read.output
    assert (given.name, answered.name) == ("images", "output0")
    assert given.data_type == answered.data_type == 11  # TYPE_FP32


def test_the_onnx_backend_is_told_where_and_how_often_to_run(tmp_path, tiny_onnx):
    from tritonclient.grpc.model_config_pb2 import ModelInstanceGroup

    def written(**wanted):
        settings = ModelSettings(
            repository=tmp_path / repr(sorted(wanted.items())), platform="onnxruntime", **wanted
        )
        repository = ModelRepository.from_settings(settings)
        write(repository, tiny_onnx)
        assert not list(repository.root.rglob("*.py"))
        return parsed(repository)

    plain = written(threads=3)
    assert [(g.kind, g.count) for g in plain.instance_group] == [(ModelInstanceGroup.KIND_CPU, 1)]
    assert plain.parameters["intra_op_thread_count"].string_value == "3"
    assert not plain.HasField("optimization")
    gpu = written(device="gpu", instances=2)
    assert [(g.kind, g.count) for g in gpu.instance_group] == [(ModelInstanceGroup.KIND_GPU, 2)]
    assert not gpu.HasField("optimization")
    assert not written(tensorrt=True).HasField("optimization")  # without a GPU there is none
    fast = written(device="gpu", tensorrt=True, tensorrt_engines="engines")
    (accelerator,) = fast.optimization.execution_accelerators.gpu_execution_accelerator
    assert accelerator.name == "tensorrt"
    options = dict(accelerator.parameters)
    assert options.pop("max_workspace_size_bytes").isdigit()
    assert options == {
        "precision_mode": "FP16",
        "trt_profile_min_shapes": "images:1x3x64x64",
        "trt_profile_opt_shapes": "images:8x3x64x64",
        "trt_profile_max_shapes": "images:16x3x64x64",
        "trt_engine_cache_enable": "true",
        "trt_engine_cache_path": "engines/fly",
    }
    assert "engine_cache" not in str(written(device="gpu", tensorrt=True).optimization)


def test_the_openvino_backend_takes_the_batch_as_an_axis(tmp_path, tiny_onnx):
    """Told a largest batch it would compile the network for that one size and refuse all others."""
    from tritonclient.grpc.model_config_pb2 import ModelInstanceGroup

    def written(**wanted):
        settings = ModelSettings(repository=tmp_path / repr(wanted), platform="openvino", **wanted)
        repository = ModelRepository.from_settings(settings)
        write(repository, tiny_onnx)
        assert not list(repository.root.rglob("*.py"))
        return parsed(repository)

    plain = written(threads=3)
    assert (plain.backend, plain.default_model_filename) == ("openvino", "model.onnx")
    assert plain.max_batch_size == 0
    assert not plain.HasField("dynamic_batching")
    assert list(plain.input[0].dims) == [-1, 3, 64, 64]
    assert list(plain.output[0].dims) == [-1, 6, 84]
    assert [(g.kind, g.count) for g in plain.instance_group] == [(ModelInstanceGroup.KIND_CPU, 1)]
    told = {key: value.string_value for key, value in plain.parameters.items()}
    assert (told["PERFORMANCE_HINT"], told["NUM_STREAMS"]) == ("LATENCY", "1")
    assert told["INFERENCE_NUM_THREADS"] == "3"
    four = written(instances=4)
    assert (four.instance_group[0].count, four.parameters["NUM_STREAMS"].string_value) == (4, "4")
    assert four.parameters["PERFORMANCE_HINT"].string_value == "THROUGHPUT"
    assert "INFERENCE_NUM_THREADS" not in four.parameters


def test_a_starting_server_gets_the_programs_of_today(repository, tiny_onnx):
    write(repository, tiny_onnx)
    folder = repository.root / "fly" / "1"
    (folder / "model.py").write_text("import a_package_of_an_older_release")
    (folder / "openvino_network.py").unlink()
    repository.renew_programs()
    assert "class TritonPythonModel" in (folder / "model.py").read_text()
    assert "class Network" in (folder / "openvino_network.py").read_text()


def test_a_triton_of_another_user_can_read_it_whatever_the_umask(tmp_path, tiny_onnx, other_onnx):
    private = tiny_onnx.parent.parent / "private.onnx"
    shutil.copy(tiny_onnx, private)
    private.chmod(0o600)
    before = os.umask(0o077)
    try:
        repository = ModelRepository(tmp_path / "below" / "models")
        write(repository, private)
        write(repository, other_onnx, classes=OTHER)
    finally:
        os.umask(before)
    for path in (repository.root.parent, repository.root, *repository.root.rglob("*")):
        needed = 0o755 if path.is_dir() else 0o644
        assert path.stat().st_mode & needed == needed, path


def test_a_damaged_description_is_said(repository, tiny_onnx):
    write(repository, tiny_onnx)
    (repository.root / "fly" / "1" / "spec.json").write_text("{")
    with pytest.raises(Terminal, match="damaged"):
        repository.spec("fly", 1)


def test_an_unknown_platform_lists_the_known():
    with pytest.raises(Invalid, match="python, onnxruntime, openvino"):
        ModelRepository(Path(), "tensorrt")
