"""What is said about comparisons of a recording with an actor's take: how far, and why not."""

from __future__ import annotations

ANALYSES = {
    "step.audio_analysis": {
        "en": "comparing the recording with the actor's take",
        "ko": "녹음과 배우 음성 비교",
    },
    # --- how far a comparison is ---
    "analysis.accepted": {
        "en": "The recording is stored; it is compared in the background.",
        "ko": "업로드 완료, 백그라운드에서 처리됩니다.",
    },
    "analysis.stored": {"en": "The recording is stored.", "ko": "녹음이 저장되었습니다."},
    "analysis.asked": {
        "en": "The comparison has been asked for.",
        "ko": "분석을 요청했습니다.",
    },
    "analysis.waiting": {
        "en": "The recording is being compared; waiting for the result.",
        "ko": "분석 중입니다. 결과를 기다리고 있습니다.",
    },
    "analysis.completed": {"en": "The comparison is complete.", "ko": "분석이 완료되었습니다."},
    "analysis.completed.nomatch": {
        "en": "The comparison is complete, but the line was not recognised in the recording. Say "
        "exactly the text, close to the microphone.",
        "ko": "분석은 끝났지만 녹음에서 대사를 찾지 못했습니다. 마이크 가까이에서 텍스트를 그대로 말해 주세요.",
    },
    "analysis.completed.initialsilencetimeout": {
        "en": "The comparison is complete, but the recording is silent. Check the microphone and "
        "record the line again.",
        "ko": "분석은 끝났지만 녹음이 무음입니다. 마이크를 확인하고 다시 녹음해 주세요.",
    },
    "analysis.completed.babbletimeout": {
        "en": "The comparison is complete, but the recording holds only noise. Record the line "
        "again in a quiet place.",
        "ko": "분석은 끝났지만 녹음에 소음만 있습니다. 조용한 곳에서 다시 녹음해 주세요.",
    },
    "analysis.cancelled": {
        "en": "The comparison was cancelled.",
        "ko": "분석이 취소되었습니다.",
    },
    "analysis.overdue": {
        "en": "The comparison took too long and was given up. Send the recording again.",
        "ko": "분석이 너무 오래 걸려 중단되었습니다. 녹음을 다시 보내 주세요.",
    },
    "analysis.crashed": {
        "en": "The comparison broke off again and again on this recording. Record the line again, "
        "best as wav, m4a or webm.",
        "ko": "이 녹음은 분석이 거듭 중단되었습니다. wav, m4a, webm 형식으로 다시 녹음해 주세요.",
    },
    "analysis.unprepared": {
        "en": "The actor's take was being prepared for too long. Send the recording again in a few "
        "minutes.",
        "ko": "배우 음성의 준비가 너무 오래 걸렸습니다. 몇 분 뒤에 녹음을 다시 보내 주세요.",
    },
    "analysis.broke": {
        "en": "The comparison failed: {why}",
        "ko": "분석에 실패했습니다: {why}",
    },
    # --- why it cannot begin ---
    "error.no_analysis": {
        "en": "There is no comparison {job_id} of yours here; GET /mypage/history lists yours.",
        "ko": "내 분석 중에 없습니다: {job_id}. 내 분석은 GET /mypage/history에서 볼 수 있습니다.",
    },
    "error.line_no_audio": {
        "en": "The {subject} {line_id} has no audio of the actor yet, so nothing can be compared "
        "with it. An admin adds it by PUT /{subject}s/{line_id}/audio.",
        "ko": "아직 배우 음성이 없어 비교할 수 없습니다 ({subject}: {line_id}). 관리자가 "
        "PUT /{subject}s/{line_id}/audio로 추가해야 합니다.",
    },
    "error.line_preparing": {
        "en": "The actor's take of the {subject} {line_id} is being prepared; try again in a "
        "minute.",
        "ko": "배우 음성을 준비하고 있습니다 ({subject}: {line_id}). 잠시 뒤 다시 시도해 주세요.",
    },
    "error.line_failed": {
        "en": "The actor's take of the {subject} {line_id} cannot be used; its `problem` says why. "
        "An admin must mend it first.",
        "ko": "배우 음성을 사용할 수 없습니다 ({subject}: {line_id}). 이유는 `problem`에 있으며, 관리자가 "
        "먼저 고쳐야 합니다.",
    },
    "error.recording_too_large": {
        "en": "The recording is larger than {limit_mb:.0f} MB, the limit here. Record at most two "
        "minutes, or have the operator raise ACTVERSE_SPEECH__MAX_RECORDING_BYTES.",
        "ko": "녹음 파일이 한도보다 큽니다. 한도: {limit_mb:.0f} MB. 2분 이내로 녹음하거나, 운영자에게 "
        "ACTVERSE_SPEECH__MAX_RECORDING_BYTES 값을 올려 달라고 요청하세요.",
    },
}
