"""The verbs of lines and of those who say them, against a gateway with a real worker behind it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from deploy.cli.main import app
from deploy.local import voices
from shared.errors import ActverseError
from tests.services.audio_analyzer.speech_world import SpeechWorld

SAMPLES = voices.SAMPLES
TEXT = json.loads((SAMPLES / "samples.json").read_text(encoding="utf-8"))["lines"]["sea"]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SpeechWorld]:
    with SpeechWorld.opened(tmp_path_factory.mktemp("data")) as opened:
        yield opened


@pytest.fixture
def actverse(world: SpeechWorld, monkeypatch: pytest.MonkeyPatch):
    """Runs a verb as an admin."""
    monkeypatch.setenv("ACTVERSE_URL", world.door.url)
    monkeypatch.setenv("ACTVERSE_API_KEY", world.door.key)
    monkeypatch.setenv("ACTVERSE_DATA_DIR", str(world.door.platform.settings.data_dir))

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(app, arguments)

    return run


def test_a_line_is_added_said_and_removed(actverse) -> None:
    take, mine = str(SAMPLES / "sea_actor.ogg"), str(SAMPLES / "sea_skips.ogg")
    told = ("--text", TEXT, "--title", "At sea", "--actor", "Ishmael")
    added = actverse("catalogue", "add", take, *told)
    assert added.exit_code == 0, added.exception
    line = added.stdout.strip()
    (found,) = json.loads(actverse("catalogue", "list", "ishmael", "--json").stdout)
    assert (found["id"], found["state"], found["actor"]["name"]) == (line, "READY", "Ishmael")

    said = actverse("say", line, mine)
    assert said.exit_code == 0, said.exception
    assert "overall" in said.stdout and "left out" in said.stdout
    assert "was left out" in said.stdout
    again = actverse("say", line, mine, "--json", "--language", "ko")
    steps = [json.loads(row) for row in again.stdout.splitlines()]
    assert steps[-1]["progress"] == 100 and steps[-1]["status"] == "completed"
    assert [s["progress"] for s in steps] == sorted(s["progress"] for s in steps)
    assert any("\uac00" <= letter <= "\ud7a3" for letter in steps[-1]["message"])
    assert line in actverse("catalogue", "list", "sea").stdout

    assert actverse("catalogue", "remove", line).exit_code == 0
    assert isinstance(actverse("say", line, mine).exception, ActverseError)


def test_what_cannot_be_said_is_told_with_its_reason(world, actverse, tmp_path: Path) -> None:
    silence = voices._kept(np.zeros(32_000, np.float32), tmp_path / "silence.wav")
    quiet = actverse("say", world.token, str(silence))
    assert quiet.exit_code == 0, "it was compared, and nothing was recognised"
    assert "InitialSilenceTimeout" in quiet.stdout and "overall" not in quiet.stdout
    broken = tmp_path / "text.wav"
    broken.write_text("no sound")
    refused = actverse("say", world.token, str(broken))
    assert isinstance(refused.exception, ActverseError)
    absent = actverse("say", world.token, "absent.wav")
    assert "There is no file" in str(absent.exception)
    unknown = actverse(
        *("catalogue", "add", str(SAMPLES / "sea_actor.ogg"), "--text", "Xyzzyq plugh."),
        *("--actor", "Nobody", "--title", "Nowhere"),
    )
    assert "xyzzyq" in str(unknown.exception).lower()


@pytest.mark.parametrize("name", ["sea", "train", "king"])
def test_the_demonstration_has_its_own_voices(name: str, tmp_path: Path) -> None:
    line = voices.bundled(name, tmp_path)
    assert len(line.learners) == 6
    assert all(each.recording.stat().st_size > 1000 for each in line.learners)
    assert any(each.shown for each in line.learners)


def test_a_line_of_yours_needs_its_files_and_its_text(tmp_path: Path) -> None:
    take = SAMPLES / "sea_actor.ogg"
    line = voices.of_yours(take, TEXT, [SAMPLES / "sea_learner.ogg"], tmp_path)
    assert [each.name for each in line.learners if each.shown] == ["sea_learner.ogg"]
    with pytest.raises(ActverseError, match="There is no file"):
        voices.of_yours(take, TEXT, [tmp_path / "absent.wav"], tmp_path)
    with pytest.raises(ActverseError, match="word for word"):
        voices.of_yours(take, " ", [], tmp_path)
