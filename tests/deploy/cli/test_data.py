"""The verbs of data sets, against a live gateway."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

from shared.errors import ActverseError
from shared.labels.formats.table import read
from tests.services.model_trainer.dataset_world import recorded


def test_a_data_set_goes_out_and_its_labels_come_in_again(door, actverse, tmp_path: Path) -> None:
    rounds = recorded(door, tmp_path)
    root = rounds["root"]
    shown = actverse("data", "list", root).stdout
    assert rounds["two"][:12] in shown
    assert "mouse 23" in shown
    told = json.loads(actverse("data", "list", root, "--json").stdout)
    assert [version["number"] for version in told["versions"]] == [1, 2]

    target = tmp_path / "one.zip"
    done = actverse(
        *("data", "export", root, str(target), "--format", "coco", "--version", rounds["one"])
    )
    assert done.exit_code == 0, done.output
    assert len(read("coco", target).pictures) == 20
    again = actverse("data", "export", root, str(target))
    assert isinstance(again.exception, ActverseError)
    assert "is there already" in str(again.exception)

    looked = actverse("data", "import", root, str(target), "--format", "coco", "--json")
    assert looked.exit_code != 0, "the task's class is `animal`, the file's is `mouse`"
    assert "no class 'mouse'" in str(looked.exception)


def test_labels_are_only_stored_when_asked(door, actverse, tmp_path: Path) -> None:
    task_id = door.submit(classes=["mouse"])
    rows = [{"frame": 3, "file": "00000003.jpg", "time_s": 0.1}]
    door.platform.storage.local(f"frames/{task_id}").mkdir(parents=True)
    door.keep(f"frames/{task_id}/frames.json", json.dumps({"frames": rows}).encode())
    file = tmp_path / "labels.zip"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("labels/00000003.txt", "0 0.5 0.5 0.25 0.125\n")
    looked = actverse("data", "import", task_id, str(file)).stdout
    assert "Nothing was changed" in looked
    assert not door.platform.storage.list(f"labels/{task_id}")
    config = [{"data": {"image": "00000003.jpg"}, "annotations": [{"result": []}]}]
    tool = tmp_path / "tasks.json"
    tool.write_text(json.dumps(config))
    stored = actverse("data", "import", task_id, str(tool), "--format", "label_studio", "--store")
    assert "Stored the labels of 1 frames" in stored.stdout
    assert door.platform.storage.exists(f"labels/{task_id}/00000003.txt")


def test_what_is_not_there_is_said(door, actverse, tmp_path: Path) -> None:
    task_id = door.submit()
    for arguments, sentence in (
        (("export", task_id, str(tmp_path / "a.zip")), "has no data set yet"),
        (("export", task_id, str(tmp_path / "a.zip"), "--format", "paint"), "no format 'paint'"),
        (("import", task_id, str(tmp_path / "none.zip")), "There is no file"),
    ):
        assert sentence in str(actverse("data", *arguments).exception)
