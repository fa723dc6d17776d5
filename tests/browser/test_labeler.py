"""The built-in labeler in a real browser, by mouse and keyboard."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from services.labeling_manager import drafts
from tests.browser.labeling import Lab, Person

Hire = Callable[..., Person]
ROOM = (0.02, 0.02, 0.07, 0.08)  # a corner of the picture where nothing is suggested


def one_box(state: str, boxes: tuple) -> bool:
    return state == "labelled" and len(boxes) == 1


class TestBoxes:
    def test_draw_move_resize_delete(self, lab: Lab, hire: Hire):
        person = hire().opens(0)
        person.draw(*ROOM)
        lab.eventually(0, one_box)
        box = lab.stored(0)[1][0]
        assert (box.cx, box.cy) == pytest.approx((0.045, 0.05), abs=0.003)
        assert (box.w, box.h) == pytest.approx((0.05, 0.06), abs=0.003)

        person.drag((0.045, 0.05), (0.065, 0.09))
        lab.eventually(0, lambda _, boxes: boxes[0].cx > 0.06)
        box = lab.stored(0)[1][0]
        assert (box.cx, box.cy) == pytest.approx((0.065, 0.09), abs=0.003)
        assert (box.w, box.h) == pytest.approx((0.05, 0.06), abs=0.003)

        person.drag((0.09, 0.12), (0.11, 0.14))  # the lower right handle
        lab.eventually(0, lambda _, boxes: boxes[0].w > 0.06)
        box = lab.stored(0)[1][0]
        assert (box.w, box.h) == pytest.approx((0.07, 0.08), abs=0.004)

        person.press("Delete")
        lab.eventually(0, lambda state, boxes: (state, boxes) == ("unseen", ()))

    def test_a_box_ends_at_the_edge_of_the_picture(self, lab: Lab, hire: Hire):
        person = hire().opens(0)
        person.draw(0.03, 0.03, -0.01, -0.01)
        lab.eventually(0, one_box)
        box = lab.stored(0)[1][0]
        assert (box.cx - box.w / 2, box.cy - box.h / 2) == pytest.approx((0, 0), abs=1e-6)

    def test_class_keys(self, lab: Lab, hire: Hire):
        person = hire().opens(0)
        person.draw(*ROOM)
        person.press("2")
        lab.eventually(0, lambda _, boxes: bool(boxes) and boxes[0].class_id == 1)
        expect(person.page.locator("#classes .chosen")).to_contain_text("rat")
        person.draw(0.02, 0.12, 0.07, 0.18)  # the next one is of the same class
        lab.eventually(0, lambda _, boxes: [box.class_id for box in boxes] == [1, 1])
        person.press("9")  # there is no ninth class
        person.press("Shift+ArrowRight")
        lab.eventually(0, lambda _, boxes: boxes[1].cx > 0.0455)
        assert [box.class_id for box in lab.stored(0)[1]] == [1, 1]

    def test_zoom_is_at_the_pointer_and_a_box_fits_there_too(self, lab: Lab, hire: Hire):
        person = hire().opens(0)
        person.page.mouse.move(*person.at(0.05, 0.05))
        for _ in range(3):
            person.page.mouse.wheel(0, -400)
        person.draw(0.05, 0.05, 0.10, 0.10)  # starts at the pointer, on a picture six times as big
        lab.eventually(0, one_box)
        box = lab.stored(0)[1][0]
        assert (box.cx - box.w / 2, box.cy - box.h / 2) == pytest.approx((0.05, 0.05), abs=0.002)
        assert box.w == pytest.approx(0.05 / 1.0015**1200, abs=0.002)
        person.page.keyboard.down("Space")
        person.drag((0.2, 0.2), (0.3, 0.3))
        person.page.keyboard.up("Space")
        person.press("f")
        person.saved()
        assert len(lab.stored(0)[1]) == 1


class TestDecisions:
    def test_accept_all_and_one(self, lab: Lab, hire: Hire):
        person = hire().opens(0)
        person.press("a")
        lab.eventually(0, lambda state, boxes: state == "labelled" and len(boxes) == 2)
        centres = sorted((box.cx, box.cy) for box in lab.stored(0)[1])
        for found, true in zip(centres, sorted(box[:2] for box in lab.truth[0][:-1]), strict=True):
            assert found == pytest.approx(true, abs=1e-5)
        person.press("ArrowRight")
        person.sees(10)
        person.click(*lab.truth[1][0][:2])
        lab.eventually(10, one_box)

    def test_empty_and_skip_go_on_by_themselves(self, lab: Lab, hire: Hire):
        person = hire().opens(0)
        person.press("e")
        person.sees(10)
        person.press("s")
        person.sees(20)
        lab.eventually(0, lambda state, boxes: (state, boxes) == ("empty", ()))
        lab.eventually(10, lambda state, _: state == "skipped")
        expect(person.page.locator("#remaining")).to_have_text("6 remaining")

    def test_undo_goes_back_to_the_frame_and_redo_forward(self, lab: Lab, hire: Hire):
        person = hire().opens(0)
        person.draw(*ROOM)
        person.draw(0.02, 0.12, 0.07, 0.18)
        person.press("s")
        person.sees(10)
        lab.eventually(0, lambda state, boxes: (state, boxes) == ("skipped", ()))
        person.press("Control+z")
        person.sees(0)
        lab.eventually(0, lambda state, boxes: state == "labelled" and len(boxes) == 2)
        person.press("Control+z")
        lab.eventually(0, one_box)
        person.press("Control+z")
        lab.eventually(0, lambda state, boxes: (state, boxes) == ("unseen", ()))
        person.press("Control+Shift+z", "Control+Shift+z")
        lab.eventually(0, lambda _, boxes: len(boxes) == 2)

    def test_all_decided_is_complete(self, lab: Lab, hire: Hire):
        person = hire().opens(0)
        for frame in range(0, 70, 10):
            person.sees(frame)
            person.press("a", "Enter")
        person.sees(70)
        person.press("e")
        expect(person.page.locator("dialog")).to_contain_text("Every frame is decided")
        expect(person.page.locator("#remaining")).to_have_text("0 remaining")
        person.saved()
        assert lab.complete()

    def test_finishing_early(self, lab: Lab, hire: Hire):
        person = hire().opens(0)
        person.press("a")
        person.page.click("#finish")
        expect(person.page.locator("dialog")).to_contain_text("7 frames are not decided")
        person.page.click("dialog button:first-of-type")
        expect(person.page.locator("#notice")).to_contain_text("finished")
        assert lab.complete()
        assert len(lab.stored(0)[1]) == 2


class TestKeeping:
    def test_a_reload_keeps_what_was_drawn(self, lab: Lab, hire: Hire):
        person = hire().opens(0)
        person.draw(*ROOM)
        person.page.reload()  # at once: the last stroke is on its way when the page goes
        person.sees(0)
        expect(person.page.locator("#boxes li")).to_have_count(1)
        lab.eventually(0, one_box)

    def test_seconds_are_told(self, lab: Lab, hire: Hire):
        person = hire().opens(0)
        person.page.wait_for_timeout(600)
        person.press("e")
        person.sees(10)
        lab.eventually(0, lambda state, _: state == "empty")
        with lab.door.platform.reads() as session:
            assert 0.2 < drafts.frame_of(session, lab.task, 0).seconds < 30

    def test_offline_says_so_and_sends_later(self, lab: Lab, hire: Hire):
        person = hire().opens(0)
        expect(person.page.locator(".cell canvas[data-ready]")).to_have_count(8)
        person.page.context.set_offline(True)
        person.draw(*ROOM)
        expect(person.page.locator("#saved")).to_have_text(re.compile("offline, 1 to save"))
        person.press("ArrowRight")
        person.sees(10)
        person.page.context.set_offline(False)
        person.saved()
        assert one_box(*lab.stored(0))


class TestTogether:
    def test_two_people_get_different_frames(self, lab: Lab, hire: Hire):
        ann, second = hire().opens(), hire().opens()
        assert {ann.frame, second.frame} == {0, 10}
        ann.press("e")
        ann.sees(20)

    def test_a_frame_that_somebody_has_open_can_only_be_looked_at(self, lab: Lab, hire: Hire):
        hire().opens(0).draw(*ROOM)
        lab.eventually(0, one_box)
        second = hire().opens(0)
        expect(second.page.locator("#notice")).to_contain_text("Somebody else")
        second.press("e")
        assert one_box(*lab.stored(0))

    def test_what_somebody_else_changed_is_shown(self, lab: Lab, hire: Hire):
        person = hire().opens(0)
        person.draw(*ROOM)
        lab.eventually(0, one_box)
        with (
            lab.door.platform.sessions.begin() as session
        ):  # another process, after a lease ran out
            row = drafts.frame_of(session, lab.task, 0)
            row.state, row.boxes, row.revision = "empty", [], row.revision + 1
        person.draw(0.02, 0.12, 0.07, 0.18)
        expect(person.page.locator("#notice")).to_contain_text("Somebody else changed this frame")
        expect(person.page.locator("#state")).to_have_text("empty")
        person.press("Control+z")
        lab.eventually(0, lambda _, boxes: len(boxes) == 2)
