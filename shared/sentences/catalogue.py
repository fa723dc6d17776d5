"""What is said about actors, their lines, and the takes that learners are compared with."""

from __future__ import annotations

CATALOGUE = {
    "error.no_token": {
        "en": "There is no token {id}; GET /tokens lists them.",
        "ko": "토큰을 찾을 수 없습니다: {id}. GET /tokens로 목록을 볼 수 있습니다.",
    },
    "error.no_script": {
        "en": "There is no script {id}; GET /scripts lists them.",
        "ko": "스크립트를 찾을 수 없습니다: {id}. GET /scripts로 목록을 볼 수 있습니다.",
    },
    "error.no_actor": {
        "en": "There is no actor {id}; GET /actors lists them.",
        "ko": "배우를 찾을 수 없습니다: {id}. GET /actors로 목록을 볼 수 있습니다.",
    },
    "error.actor_name_taken": {
        "en": "There is an actor {name!r} already; names differ by more than case and spaces.",
        "ko": "같은 이름의 배우가 이미 있습니다: {name!r}. 대소문자와 공백만 다른 이름은 쓸 수 없습니다.",
    },
    "error.actor_has_lines": {
        "en": "{name!r} has {tokens} tokens and {scripts} scripts. Delete those, or give them to "
        "another actor, then delete this one.",
        "ko": "이 배우의 대사가 남아 있습니다: {name!r}, 토큰 {tokens}개, 스크립트 {scripts}개. 대사를 삭제하거나 "
        "다른 배우로 옮긴 뒤 삭제하세요.",
    },
    "error.no_reference_audio": {
        "en": "{id} has no audio yet; an admin sends it with PUT .../audio.",
        "ko": "아직 음성이 없습니다: {id}. 관리자가 PUT .../audio로 등록할 수 있습니다.",
    },
    "error.changed_meanwhile": {
        "en": "Somebody changed this after you read it. Read it again, then repeat your change.",
        "ko": "읽은 뒤에 다른 변경이 있었습니다. 다시 읽은 다음 변경해 주세요.",
    },
    "error.reference_replaced": {
        "en": "The audio or the text of {id} was replaced while it was looked at; the newer one "
        "counts.",
        "ko": "처리하는 동안 음성이나 문장이 교체되었습니다: {id}. 새로 등록한 것이 적용됩니다.",
    },
    "error.preparation_stopped": {
        "en": "The preparation of this take was stopped. Send the audio again.",
        "ko": "음성 준비가 중단되었습니다. 음성을 다시 보내 주세요.",
    },
    "error.text_empty": {
        "en": "There is nothing to read in this text.",
        "ko": "내용이 비어 있습니다.",
    },
    "error.text_grows": {
        "en": "This text has letters that are written out where they are kept; it is then longer than "
        "{most} characters. Shorten it.",
        "ko": "저장할 때 풀어 쓰는 글자가 있어 최대 길이를 넘습니다. 최대 글자 수: {most}. 짧게 줄여 주세요.",
    },
    "error.text_control": {
        "en": "This text has control characters; leave them out.",
        "ko": "제어 문자가 들어 있습니다. 빼고 보내 주세요.",
    },
}
