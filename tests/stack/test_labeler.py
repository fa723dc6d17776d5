"""A whole task whose frames a person labels in a real browser, by mouse and keyboard."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from deploy.local.mesh import Mesh
from services.labeling_manager.engines.truth_csv import read_truth
from shared.labels.boxes import Box
from shared.labels.folder import FrameEntry, read_frames, read_label_folder
from shared.labels.overlap import intersection_over_union
from tests.browser import conftest as pages
from tests.browser import labeling
from tests.stack.conftest import FAST, data_dir
from tests.stack.person import Person

FRAMES = 8
SHOTS = os.environ.get("ACTVERSE_TEST_SCREENSHOTS", "")
browser = pages.browser


@pytest.fixture
def task(person: Person, arena: tuple[Path, Path]) -> dict[str, Any]:
    """A task with frames for the labeler in the browser."""
    task_id = person.submit(
        person.uploaded(arena[0]),
        num_frames=FRAMES,
        labeler="builtin",
        classes=["mouse"],
        training=FAST,
        promotion={"int8": False},
        inference={"max_frames": 10},
    )
    return person.until(task_id, lambda s: s["state"] == "WAITING" or s["error"] is not None)


@pytest.mark.slow
def test_a_person_labels_and_the_task_goes_on(
    mesh: Mesh, person: Person, browser: Browser, task: dict[str, Any], arena: tuple[Path, Path]
) -> None:
    task_id = task["task_id"]
    entries = read_frames(data_dir() / f"frames/{task_id}/frames.json")
    truth = read_truth(arena[1], width=320, height=240, classes=["mouse"]).boxes
    with browser.new_context(viewport={"width": 1440, "height": 860}, locale="en-GB") as context:
        annotator = labeling.Person(context, f"{mesh.url}/ui/label/{task_id}")
        opened_from_the_list(annotator, mesh, task_id)
        for place, entry in enumerate(entries):
            annotator.sees(entry.frame)
            labelled(annotator, entry, truth[entry.frame])
            shot(annotator, f"mesh-labeler-{place}.png")
            annotator.press("Enter")
        expect(annotator.page.locator("dialog")).to_contain_text("Every frame is decided")
        expect(annotator.page.locator("#remaining")).to_have_text("0 remaining")
        annotator.saved()
        shot(annotator, "mesh-labeler-done.png")
        annotator.page.goto(f"{mesh.url}/ui")
        row = annotator.page.locator(f"[data-task='{task_id}']")
        expect(row).not_to_contain_text("waiting for people", timeout=30_000)
        done = person.ended(task_id, 240)
        expect(row).to_contain_text("done", timeout=30_000)
        shot(annotator, "mesh-tasks-done.png")
        assert annotator.errors == []
    assert done["state"] == "SUCCEEDED", done["error"]
    kept(task_id, entries, truth)
    results = person.get(f"/tasks/{task_id}").given()["results"]
    assert (results["labelled"], results["empty"], results["unseen"]) == (FRAMES, 0, 0)
    assert results["effort"]["timed_by"] == "tool"
    assert results["effort"]["frames"] == FRAMES
    assert results["model"] == f"task-{task_id}"
    assert "results.csv" in {o["name"] for o in person.get(f"/tasks/{task_id}").given()["outputs"]}


def opened_from_the_list(annotator: labeling.Person, mesh: Mesh, task_id: str) -> None:
    """From the page of tasks, with the key typed into it."""
    page = annotator.page
    page.goto(f"{mesh.url}/ui")
    page.click("#key")
    page.keyboard.type(mesh.key)
    page.keyboard.press("Enter")
    page.click(f"[data-task='{task_id}'] a")
    page.wait_for_selector("#canvas[data-frame]")


def labelled(annotator: labeling.Person, entry: FrameEntry, truth: tuple[Box, ...]) -> None:
    """Every animal gets a box: suggestions are thrown away, and the mouse draws each."""
    page = annotator.page
    page.keyboard.down("Shift")  # over a suggestion, a new box is drawn
    for box in truth:
        left, top = box.cx - box.w / 2, box.cy - box.h / 2
        annotator.draw(left, top, left + box.w, top + box.h)
    page.keyboard.up("Shift")
    expect(page.locator("#boxes li")).to_have_count(len(truth))


def kept(task_id: str, entries: tuple[FrameEntry, ...], truth: dict[int, tuple[Box, ...]]) -> None:
    """The labels that training took are what was drawn, to a pixel of the screen."""
    folder = data_dir() / f"labels/{task_id}"
    labels = read_label_folder(folder, data_dir() / f"frames/{task_id}/frames.json")
    assert json.loads((folder / "labels.json").read_text())["states"]["labelled"] == FRAMES
    for frame, entry in zip(labels.frames, entries, strict=True):
        for box in truth[entry.frame]:
            best = max(intersection_over_union(box, drawn) for drawn in frame.boxes)
            assert best > 0.8, (frame, box)


def shot(annotator: labeling.Person, name: str) -> None:
    annotator.shot(str(Path(SHOTS) / name) if SHOTS else None)
