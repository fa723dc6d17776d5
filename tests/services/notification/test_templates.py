"""What a person reads about each kind of news."""

from __future__ import annotations

import pytest

from services.notification.engines.port import Mood
from services.notification.templates import MAX_BODY, MAX_TITLE, MOODS, render
from shared.messages import LANGUAGES, MESSAGES

FIELDS = {
    "task_id": "0b5c",
    "step": "model_training",
    "pipeline": "vision",
    "message": "Task 0b5c has 2 labelled images; training needs 4.",
    "where": "http://127.0.0.1:8080/ui/tasks/0b5c",
    "total": 60,
    "done": 58,
    "skipped": 2,
    "model": "arena",
    "version": 3,
    "map50": 0.97351,
    "map50_95": None,
    "server": "triton 2.51.0",
}


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", MOODS)
def test_every_kind_of_news_has_its_words(kind: str, language: str):
    notice = render(kind, language, **FIELDS)
    assert "0b5c" in notice.title
    assert notice.body
    assert "{" not in notice.title + notice.body


def test_no_words_without_a_kind():
    said = {key.split(".")[1] for key in MESSAGES if key.startswith("notice.")}
    assert said == set(MOODS)


def test_a_trained_model_comes_with_its_figures():
    notice = render("training_completed", **FIELDS)
    assert notice.title == "Task 0b5c: model trained, mAP50 0.974"
    assert "Model arena, version 3: mAP50 0.974, mAP50-95 -," in notice.body
    assert notice.mood is Mood.SUCCESS


def test_a_failure_says_why_in_the_language_of_the_reader():
    notice = render("step_failed", "ko", **FIELDS)
    assert notice.title == "작업 0b5c: 모델 학습 실패"
    assert "training needs 4" in notice.body
    assert notice.mood is Mood.FAILURE


def test_a_person_is_told_where_to_label():
    notice = render("labels_wanted", **FIELDS)
    assert "60 frames" in notice.body
    assert FIELDS["where"] in notice.body


def test_a_title_is_one_short_line():
    long = {
        **FIELDS,
        "task_id": "a\r\nBcc: everybody@example.com" + "x" * 500,
        "message": "y" * 9999,
    }
    notice = render("task_failed", **long)
    assert len(notice.title) <= MAX_TITLE
    assert not {"\r", "\n"} & set(notice.title)
    assert len(notice.body) <= MAX_BODY
