"""What a learner hears about a recording: one sentence for each code of the scorer's feedback."""

from __future__ import annotations

from collections.abc import Mapping

ADVICE: Mapping[str, Mapping[str, str]] = {
    "feedback.all.good": {
        "en": "Very close to the actor's take; there is nothing to correct.",
        "ko": "배우의 대사와 아주 비슷합니다. 고칠 점이 없습니다.",
    },
    "feedback.speech.not_recognised": {
        "en": "The line was not recognised. Say exactly the text, close to the microphone.",
        "ko": "대사를 알아듣지 못했습니다. 마이크 가까이에서 텍스트를 그대로 말해 주세요.",
    },
    "feedback.word.omitted": {
        "en": 'The word "{word}" was left out, or could not be heard.',
        "ko": "빠졌거나 들리지 않은 단어: {word}",
    },
    "feedback.word.unclear": {
        "en": 'The word "{word}" sounds different from the actor\'s (score {score} of 100). '
        "Listen to it once more and say it slowly.",
        "ko": "배우와 다르게 들리는 단어: {word} (점수 {score}/100). 다시 듣고 천천히 말해 보세요.",
    },
    "feedback.word.long": {
        "en": 'The word "{word}" is {percent} % longer than the actor\'s.',
        "ko": "배우보다 {percent} % 길게 말한 단어: {word}",
    },
    "feedback.word.short": {
        "en": 'The word "{word}" is {percent} % shorter than the actor\'s.',
        "ko": "배우보다 {percent} % 짧게 말한 단어: {word}",
    },
    "feedback.word.high": {
        "en": 'Your voice is {semitones} semitones too high on "{word}", '
        "compared with your own usual pitch.",
        "ko": "평소 음높이에 비해 {semitones}반음 높게 말한 단어: {word}",
    },
    "feedback.word.low": {
        "en": 'Your voice is {semitones} semitones too low on "{word}", '
        "compared with your own usual pitch.",
        "ko": "평소 음높이에 비해 {semitones}반음 낮게 말한 단어: {word}",
    },
    "feedback.word.loud": {
        "en": 'The word "{word}" is {decibels} dB louder than the actor says it.',
        "ko": "배우보다 {decibels} dB 크게 말한 단어: {word}",
    },
    "feedback.word.soft": {
        "en": 'The word "{word}" is {decibels} dB softer than the actor says it.',
        "ko": "배우보다 {decibels} dB 작게 말한 단어: {word}",
    },
    "feedback.tempo.slow": {
        "en": "You speak {percent} % more slowly than the actor.",
        "ko": "배우보다 {percent} % 느리게 말했습니다.",
    },
    "feedback.tempo.fast": {
        "en": "You need {percent} % less time than the actor; speak more slowly.",
        "ko": "배우보다 {percent} % 짧은 시간에 말했습니다. 조금 더 천천히 말해 보세요.",
    },
    "feedback.pauses.different": {
        "en": "Your pauses are not where the actor's are.",
        "ko": "쉬는 위치나 길이가 배우와 다릅니다.",
    },
    "feedback.pitch.flat": {
        "en": "Your voice moves only {percent} % as far up and down as the actor's; "
        "speak with more melody.",
        "ko": "음높이의 변화 폭이 배우의 {percent} %입니다. 억양을 더 살려 보세요.",
    },
    "feedback.pitch.different": {
        "en": "Your melody rises and falls in other places than the actor's.",
        "ko": "억양이 오르내리는 위치가 배우와 다릅니다.",
    },
    "feedback.quality.clipped": {
        "en": "The recording is too loud and distorted; move away from the microphone.",
        "ko": "녹음 소리가 너무 커서 찌그러졌습니다. 마이크에서 조금 떨어져 주세요.",
    },
    "feedback.quality.low_snr": {
        "en": "There is much noise behind your voice; record in a quieter place.",
        "ko": "배경 소음이 큽니다. 더 조용한 곳에서 녹음해 주세요.",
    },
    "feedback.quality.too_quiet": {
        "en": "The recording is very quiet; speak up, or move closer to the microphone.",
        "ko": "녹음 소리가 매우 작습니다. 더 크게 말하거나 마이크에 가까이 가 주세요.",
    },
    "feedback.quality.silent": {
        "en": "The recording is silent; check that the microphone is on.",
        "ko": "녹음에 소리가 없습니다. 마이크가 켜져 있는지 확인해 주세요.",
    },
    "feedback.quality.too_short": {
        "en": "The recording is too short to hold the line.",
        "ko": "녹음이 너무 짧아 대사가 들어 있지 않습니다.",
    },
    "feedback.quality.no_speech": {
        "en": "There is sound in the recording, but no voice.",
        "ko": "녹음에 소리는 있지만 목소리가 없습니다.",
    },
}
