"""What is said about recordings, the texts they say, and how they were said."""

from __future__ import annotations

SPEECH = {
    # --- why a file cannot be compared ---
    "error.audio_unreadable": {
        "en": "This file cannot be read as sound ({name}). Send wav, mp3, m4a, ogg, webm or flac.",
        "ko": "소리로 읽을 수 없는 파일입니다 ({name}). wav, mp3, m4a, ogg, webm, flac 형식으로 보내 주세요.",
    },
    "error.audio_empty": {
        "en": "This file holds no sound: it is empty ({name}). Record it again.",
        "ko": "비어 있어 소리가 없는 파일입니다 ({name}). 다시 녹음해 주세요.",
    },
    "error.audio_none": {
        "en": "This file can be read, but holds no sound ({name}). Send a recording.",
        "ko": "읽을 수는 있지만 소리가 없는 파일입니다 ({name}). 녹음 파일을 보내 주세요.",
    },
    "error.audio_is_video": {
        "en": "This file is a video ({name}). Send only its sound, for example as m4a or wav.",
        "ko": "영상 파일입니다 ({name}). 소리만 m4a나 wav 등으로 보내 주세요.",
    },
    "error.audio_too_long": {
        "en": "The recording is longer than {longest_s} seconds. Send a shorter part.",
        "ko": "녹음이 너무 깁니다. 최대 길이: {longest_s}초. 더 짧게 나누어 보내 주세요.",
    },
    # --- why a line cannot be compared with ---
    "error.words_unknown": {
        "en": "The pronunciation of these words is not known: {words}. Write numbers as words, and "
        "replace names and foreign words.",
        "ko": "발음을 알 수 없는 단어가 있습니다: {words}. 숫자는 영어 단어로 쓰고, 이름이나 외국어는 바꿔 주세요.",
    },
    "error.words_none": {
        "en": "The text holds no words. Write what is said in the audio.",
        "ko": "텍스트에 단어가 없습니다. 음성에서 말하는 내용을 적어 주세요.",
    },
    "error.reference_silent": {
        "en": "The actor's audio is silent or too short. Send audio in which the text is said.",
        "ko": "배우의 음성이 무음이거나 너무 짧습니다. 텍스트를 말하는 음성을 보내 주세요.",
    },
    "error.reference_unaligned": {
        "en": "The text was not found in the actor's audio. Send audio in which exactly this text "
        "is said, or correct the text.",
        "ko": "배우의 음성에서 텍스트를 찾지 못했습니다. 이 텍스트를 그대로 말하는 음성을 보내거나 텍스트를 고쳐 주세요.",
    },
    "error.reference_stale": {
        "en": "The features of the actor's take are of version {kept}, and {needed} is needed. They "
        "are being prepared again; try again in a minute.",
        "ko": "배우 음성의 특징 버전이 맞지 않습니다 (저장됨: {kept}, 필요: {needed}). 다시 준비하고 있으니 잠시 뒤 다시 시도해 주세요.",
    },
    "error.scorer_crashed": {
        "en": "The comparison was broken off ({why}). It is tried again; if it keeps failing, "
        "record the line again.",
        "ko": "비교가 중단되었습니다 ({why}). 다시 시도합니다. 계속 실패하면 다시 녹음해 주세요.",
    },
}
