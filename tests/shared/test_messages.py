"""The table of sentences is whole in every language."""

from __future__ import annotations

import json
import pickle
from string import Formatter

import pytest

from shared.messages import LANGUAGES, MESSAGES, Sentence, say, spoken, step_title
from shared.pipelines.atlas import PIPELINES
from shared.sentences.doors import DOORS
from shared.sentences.fields import FIELDS
from shared.sentences.work import WORK


def placeholders(sentence: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(sentence) if name is not None}


@pytest.mark.parametrize("key", MESSAGES)
def test_every_key_has_every_language_with_the_same_fields(key: str):
    sentences = MESSAGES[key]
    assert set(sentences) == set(LANGUAGES)
    assert all(sentence.strip() for sentence in sentences.values())
    assert len({frozenset(placeholders(sentence)) for sentence in sentences.values()}) == 1
    assert all(name.isidentifier() for name in placeholders(sentences["en"]))


@pytest.mark.parametrize("key", MESSAGES)
def test_korean_is_korean(key: str):
    assert any("가" <= letter <= "힣" for letter in MESSAGES[key]["ko"])


def test_every_step_of_the_map_has_a_name_for_people():
    steps = {step.name for pipeline in PIPELINES.values() for step in pipeline.steps}
    assert {step for step in steps if f"step.{step}" not in MESSAGES} == set()


def test_what_is_said():
    assert step_title("model_training", "ko") == "모델 학습"
    assert step_title("a_new_step") == "a new step"
    assert say("notice.task_cancelled.title", task_id="7") == "Task 7: cancelled"
    assert say("notice.task_cancelled.title", "fr", task_id="7") == "Task 7: cancelled"
    assert (
        say("notice.task_cancelled.title", task_id="{0.__class__}")
        == "Task {0.__class__}: cancelled"
    )


def test_mistakes_in_our_own_code_are_loud():
    with pytest.raises(KeyError):
        say("notice.no_such_news.title")
    with pytest.raises(KeyError):
        say("notice.task_cancelled.title")


def test_no_key_is_given_twice():
    keys = [*DOORS, *WORK, *FIELDS]
    assert len(keys) == len(set(keys))
    assert not {key for key in keys if key.startswith(("step.", "notice.", "news."))}


def test_a_sentence_is_a_string_that_other_languages_can_be_had_of():
    sentence = Sentence("error.no_upload", upload_id="{7}")
    assert sentence == "There is no upload {7} of yours."
    assert json.loads(json.dumps([sentence])) == [str(sentence)]
    assert spoken(pickle.loads(pickle.dumps(sentence)), "ko") == "내 업로드 중에 없습니다: {7}."
    assert spoken(sentence, "fr") == sentence
    assert spoken("a text", "ko") == "a text"
    with pytest.raises(KeyError):
        Sentence("error.no_upload")
