"""Every sentence that people read in their own language, in one table: key -> {"en", "ko"}.

English comes first and is what an unknown language gets. A Korean sentence names its values after
a colon or in brackets, so that no particle depends on the last letter of a value.

Steps and news stand here; what errors say stands in `shared/sentences/` and joins the table here. To
give an error both languages: add `"error.<name>": {"en": ..., "ko": ...}` there, with the same fields in
both, and raise it with `Sentence("error.<name>", field=value)` in place of a text. It is a string, in
English, wherever strings are taken; problem details and `spoken` say it in the reader's language.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from shared.sentences.accounts import ACCOUNTS
from shared.sentences.advice import ADVICE
from shared.sentences.analyses import ANALYSES
from shared.sentences.catalogue import CATALOGUE
from shared.sentences.deletion import DELETION
from shared.sentences.doors import DOORS
from shared.sentences.fields import FIELDS
from shared.sentences.remote import REMOTE
from shared.sentences.speech import SPEECH
from shared.sentences.work import WORK

DEFAULT = "en"
LANGUAGES = ("en", "ko")

MESSAGES: Mapping[str, Mapping[str, str]] = {
    # --- the steps of the pipelines, by their names in the map ---
    "step.video_processing": {"en": "preparing the video", "ko": "영상 준비"},
    "step.video_download": {"en": "downloading the video", "ko": "영상 내려받기"},
    "step.frame_extraction": {"en": "taking frames", "ko": "프레임 추출"},
    "step.video_upload": {"en": "copying the file", "ko": "파일 복사"},
    "step.global_inference": {"en": "analysis with the global model", "ko": "기본 모델 분석"},
    "step.frame_choice": {"en": "choosing frames worth labeling", "ko": "라벨링할 프레임 선택"},
    "step.preannotation": {"en": "suggesting boxes", "ko": "상자 제안"},
    "step.labeling": {"en": "labeling", "ko": "라벨링"},
    "step.label_download": {"en": "fetching the labels", "ko": "라벨 가져오기"},
    "step.model_training": {"en": "training", "ko": "모델 학습"},
    "step.model_conversion": {"en": "conversion to ONNX", "ko": "ONNX 변환"},
    "step.model_deployment": {"en": "deployment", "ko": "모델 배포"},
    "step.model_withdrawal": {"en": "taking the model off the server", "ko": "모델 내리기"},
    "step.model_promotion": {"en": "comparison and promotion", "ko": "모델 비교와 승격"},
    "step.inference": {"en": "analysis with your model", "ko": "사용자 모델 분석"},
    "step.results_upload": {"en": "storing the results", "ko": "결과 저장"},
    "step.speech_reference": {"en": "looking at the actor's take", "ko": "배우 음성 분석"},
    # --- around every message ---
    "news.link": {"en": "Look at it: {link}", "ko": "확인하기: {link}"},
    "news.trial.title": {"en": "A message from Actverse", "ko": "Actverse 시험 메시지"},
    "news.trial.body": {
        "en": "You asked for this message; news about your tasks will arrive here.",
        "ko": "요청하신 시험 메시지입니다. 앞으로 작업 소식이 여기로 전달됩니다.",
    },
    # --- news about a task ---
    "notice.task_submitted.title": {
        "en": "Task {task_id}: accepted",
        "ko": "작업 {task_id}: 접수됨",
    },
    "notice.task_submitted.body": {
        "en": "The task was accepted and starts now. Pipeline: {pipeline}.",
        "ko": "작업이 접수되어 지금 시작합니다. 파이프라인: {pipeline}.",
    },
    "notice.step_started.title": {
        "en": "Task {task_id}: {step} started",
        "ko": "작업 {task_id}: {step} 시작",
    },
    "notice.step_started.body": {
        "en": "This step has started: {step}.",
        "ko": "다음 단계가 시작되었습니다: {step}.",
    },
    "notice.step_completed.title": {
        "en": "Task {task_id}: {step} completed",
        "ko": "작업 {task_id}: {step} 완료",
    },
    "notice.step_completed.body": {
        "en": "This step is completed: {step}.",
        "ko": "다음 단계가 완료되었습니다: {step}.",
    },
    "notice.step_failed.title": {
        "en": "Task {task_id}: {step} failed",
        "ko": "작업 {task_id}: {step} 실패",
    },
    "notice.step_failed.body": {
        "en": "This step failed: {step}.\n{message}\nRetry the task when the cause is mended.",
        "ko": "다음 단계가 실패했습니다: {step}.\n{message}\n원인을 해결한 뒤 작업을 다시 시도하세요.",
    },
    "notice.labels_wanted.title": {
        "en": "Task {task_id}: {total} frames wait for labels",
        "ko": "작업 {task_id}: 라벨을 기다리는 프레임 {total}개",
    },
    "notice.labels_wanted.body": {
        "en": "Please label {total} frames here: {where}\n"
        "The task goes on by itself when every frame is labelled or skipped.",
        "ko": "프레임 {total}개에 라벨을 달아 주세요: {where}\n"
        "모든 프레임에 라벨을 달거나 건너뛰면 작업이 자동으로 계속됩니다.",
    },
    "notice.labels_completed.title": {
        "en": "Task {task_id}: labels are complete",
        "ko": "작업 {task_id}: 라벨링 완료",
    },
    "notice.labels_completed.body": {
        "en": "{done} of {total} frames are labelled, {skipped} skipped. Training follows.",
        "ko": "전체 {total}개 중 {done}개 라벨링, {skipped}개 건너뜀. 이어서 학습을 시작합니다.",
    },
    "notice.training_completed.title": {
        "en": "Task {task_id}: model trained, mAP50 {map50}",
        "ko": "작업 {task_id}: 모델 학습 완료, mAP50 {map50}",
    },
    "notice.training_completed.body": {
        "en": "Model {model}, version {version}: mAP50 {map50}, mAP50-95 {map50_95}, "
        "on frames that it was not trained on.",
        "ko": "모델 {model}, 버전 {version}: mAP50 {map50}, mAP50-95 {map50_95} "
        "(학습에 쓰지 않은 프레임 기준).",
    },
    "notice.model_deployed.title": {
        "en": "Task {task_id}: model deployed",
        "ko": "작업 {task_id}: 모델 배포 완료",
    },
    "notice.model_deployed.body": {
        "en": "Model {model}, version {version}, answers now on {server}.",
        "ko": "모델 {model}, 버전 {version}: 이제 사용할 수 있습니다. 서버: {server}.",
    },
    "notice.task_completed.title": {
        "en": "Task {task_id}: completed",
        "ko": "작업 {task_id}: 완료",
    },
    "notice.task_completed.body": {
        "en": "Every step has succeeded. The results are here: {where}",
        "ko": "모든 단계가 성공했습니다. 결과: {where}",
    },
    "notice.task_failed.title": {
        "en": "Task {task_id}: failed",
        "ko": "작업 {task_id}: 실패",
    },
    "notice.task_failed.body": {
        "en": "The task stopped at this step: {step}.\n{message}\nA retry continues from there.",
        "ko": "작업이 다음 단계에서 멈췄습니다: {step}.\n{message}\n다시 시도하면 그 단계부터 계속합니다.",
    },
    "notice.task_cancelled.title": {
        "en": "Task {task_id}: cancelled",
        "ko": "작업 {task_id}: 취소됨",
    },
    "notice.task_cancelled.body": {
        "en": "The task was cancelled. What was finished before is kept.",
        "ko": "작업이 취소되었습니다. 이미 끝난 결과는 보관됩니다.",
    },
    # --- what errors say ---
    **DOORS,
    **ACCOUNTS,
    **ADVICE,
    **ANALYSES,
    **CATALOGUE,
    **DELETION,
    **REMOTE,
    **SPEECH,
    **WORK,
    **FIELDS,
}


def say(key: str, language: str = DEFAULT, /, **fields: object) -> str:
    """The sentence `key` in `language`, with its fields filled in.

    An unknown key or a field that is not given is a mistake in our code: KeyError. Values are put
    in as they are, sentences among them in `language` too; braces in them mean nothing.
    """
    sentence = MESSAGES[key]
    said = {name: spoken(value, language) for name, value in fields.items()}
    return sentence.get(language, sentence[DEFAULT]).format(**said)


class Sentence(str):
    """A sentence of the table with its values: English as a string, `spoken` in other languages."""

    __slots__ = ("fields", "key")
    key: str
    fields: Mapping[str, object]

    def __new__(cls, key: str, /, **fields: object) -> Self:
        """The sentence `key`; KeyError when the table has no such, or a field is not given."""
        made = super().__new__(cls, say(key, **fields))
        made.key, made.fields = key, fields
        return made

    def __getnewargs_ex__(self) -> tuple[tuple[str], Mapping[str, object]]:
        return (self.key,), self.fields


def spoken(value: Any, language: str) -> Any:
    """`value` in `language` if it is a `Sentence`; anything else, other texts too, as it is."""
    return say(value.key, language, **value.fields) if isinstance(value, Sentence) else value


def step_title(step: str, language: str = DEFAULT) -> str:
    """The name of a step for people; the name in the map where the table has no other."""
    key = f"step.{step}"
    return say(key, language) if key in MESSAGES else step.replace("_", " ")
