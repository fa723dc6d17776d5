from __future__ import annotations

import pytest

from services.model_trainer.engines.checkpoints import Checkpoints
from services.model_trainer.engines.epoch_table import keep_epochs, map50_95_of, read_epochs


@pytest.fixture
def kept(tmp_path):
    """Five epochs, the second of them the best."""
    checkpoints = Checkpoints(tmp_path / "checkpoints", "ours")
    for epoch in range(1, 6):
        file = tmp_path / "last.pt"
        file.write_bytes(b"weights %d" % epoch)
        checkpoints.add(
            file, epoch=epoch, best_epoch=min(epoch, 2), last=epoch == 5, fitness=0.1, seconds=1.0
        )
    return checkpoints


def test_the_newest_two_and_the_best_are_kept(kept):
    assert sorted(file.name for file in kept.folder.glob("*.pt")) == [
        "epoch0002.pt",
        "epoch0004.pt",
        "epoch0005.pt",
    ]
    assert (kept.newest().epoch, kept.best().epoch) == (5, 2)
    assert kept.file(2).read_bytes() == b"weights 2"


@pytest.mark.parametrize("damage", ["truncate", "change", "remove", "record"])
def test_a_damaged_checkpoint_is_passed_over(kept, damage):
    file = kept.file(5)
    if damage == "truncate":
        file.write_bytes(file.read_bytes()[:4])
    elif damage == "change":
        file.write_bytes(b"weights 6")
    elif damage == "remove":
        file.unlink()
    else:
        file.with_suffix(".json").write_text('{"epoch": 5, "sha')
    newest = kept.newest()
    assert (newest.epoch, newest.last) == (4, False)
    kept.forget_after(4)
    assert kept.best().epoch == 2


def test_without_the_best_the_newest_stands_in(kept):
    kept.file(2).write_bytes(b"")
    assert kept.best().epoch == 5


def test_checkpoints_of_another_training_are_not_ours(kept):
    other = Checkpoints(kept.folder, "other data")
    assert other.newest() is None
    assert other.best() is None


def test_a_copy_that_was_cut_off_has_no_record_and_does_not_count(kept):
    (kept.folder / "epoch0006.part").write_bytes(b"weig")
    kept.file(6).write_bytes(b"weights 6")
    assert kept.newest().epoch == 5


def test_rows_after_the_checkpoint_and_half_rows_are_dropped(tmp_path):
    table = tmp_path / "results.csv"
    table.write_text("epoch,time,metrics/mAP50-95(B)\n1,2.5,0.1\n2,4.5,0.25\n3,6.5,0.2\n4,8.")
    keep_epochs(table, 2)
    assert [row["epoch"] for row in read_epochs(table)] == [1, 2]
    assert map50_95_of(table, 2) == 0.25
    keep_epochs(tmp_path / "absent.csv", 2)
    assert not (tmp_path / "absent.csv").exists()
