"""Checkpoints that are known to be whole.

A process may be killed while it writes a file, or a disk may lose the end of it; a training that
goes on from such a file dies, or worse. So every checkpoint is copied, flushed to the disk and
named by a record with its sha256, written after it; only what agrees with its record is used.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

KEEP = 2  # newest ones, beside the best: the older is there for when the newer proves damaged


@dataclass(frozen=True)
class Checkpoint:
    """One whole checkpoint of a training."""

    epoch: int  # epochs done, from 1
    sha256: str
    fingerprint: str  # of data set, weights and settings: another training's is not ours
    best_epoch: int  # the best so far, from 1
    last: bool  # training was over with it: all epochs done, or patience lost
    fitness: float  # what the best is chosen by, 0..1
    seconds: float  # spent in epochs so far, over all attempts


class Checkpoints:
    """The folder of one training's checkpoints."""

    def __init__(self, folder: Path, fingerprint: str) -> None:
        self.folder = folder
        self.fingerprint = fingerprint

    def add(
        self, file: Path, *, epoch: int, best_epoch: int, last: bool, fitness: float, seconds: float
    ) -> Checkpoint:
        """Keep a copy of `file`; earlier ones than the newest `KEEP` and the best are removed."""
        self.folder.mkdir(parents=True, exist_ok=True)
        content = file.read_bytes()
        _write_durably(self.file(epoch), content)
        record = Checkpoint(
            epoch=epoch,
            sha256=hashlib.sha256(content).hexdigest(),
            fingerprint=self.fingerprint,
            best_epoch=best_epoch,
            last=last,
            fitness=fitness,
            seconds=seconds,
        )
        _write_durably(self._record(epoch), json.dumps(asdict(record)).encode())
        self._tidy()
        return record

    def newest(self) -> Checkpoint | None:
        """The last one that is whole, or None."""
        return next((each for each in self._recorded() if self._whole(each)), None)

    def best(self) -> Checkpoint | None:
        """The best one so far; the newest whole one when the best is damaged."""
        newest = self.newest()
        if newest is None:
            return None
        known = (each for each in self._recorded() if each.epoch == newest.best_epoch)
        return next((each for each in known if self._whole(each)), newest)

    def forget_after(self, epoch: int) -> None:
        """Remove what was written after `epoch`: it is damaged, or it would be done twice."""
        for each in self._recorded():
            if each.epoch > epoch:
                self._remove(each.epoch)

    def clear(self) -> None:
        """Remove them all."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def file(self, epoch: int) -> Path:
        """Where the checkpoint of `epoch` lies."""
        return self.folder / f"epoch{epoch:04d}.pt"

    def _record(self, epoch: int) -> Path:
        return self.folder / f"epoch{epoch:04d}.json"

    def _recorded(self) -> list[Checkpoint]:
        """Ours, newest first; half-written or foreign records do not count."""
        found = []
        for file in self.folder.glob("epoch*.json"):
            try:
                each = Checkpoint(**json.loads(file.read_text(encoding="utf-8")))
            except (ValueError, TypeError):
                continue
            if each.fingerprint == self.fingerprint:
                found.append(each)
        return sorted(found, key=lambda each: each.epoch, reverse=True)

    def _whole(self, checkpoint: Checkpoint) -> bool:
        try:
            with self.file(checkpoint.epoch).open("rb") as stream:
                return hashlib.file_digest(stream, "sha256").hexdigest() == checkpoint.sha256
        except FileNotFoundError:
            return False

    def _tidy(self) -> None:
        recorded = self._recorded()
        needed = {each.best_epoch for each in recorded[:KEEP]}
        for each in recorded[KEEP:]:
            if each.epoch not in needed:
                self._remove(each.epoch)

    def _remove(self, epoch: int) -> None:
        self._record(epoch).unlink(missing_ok=True)
        self.file(epoch).unlink(missing_ok=True)


def _write_durably(file: Path, content: bytes) -> None:
    temporary = file.with_suffix(".part")
    with temporary.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    temporary.replace(file)
