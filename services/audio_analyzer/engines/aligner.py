"""Where in a recording the words of a text are said, by the acoustic model of pocketsphinx.

Two passes: a grammar of the text's words finds the words, then their phones are aligned frame by
frame. Facts that were dearly bought: the best-path search must be off, else phones of one frame
come out that the second pass refuses; beams must be far wider than usual, else sure text is lost;
an aligned entry is only valid until its iterator moves on, so that phones are read inside the loop.
"""

from __future__ import annotations

import math
import re
import sys
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pocketsphinx
from numpy.typing import NDArray

from services.audio_analyzer.engines.decoding import RATE
from services.audio_analyzer.errors import NoWords, UnknownWords

MODEL = Path(pocketsphinx.get_model_path()) / "en-us"
PAD_S = 0.2
"""Faint noise before and after the recording, so that a word at its edge has silence beside it."""
PAD_LEVEL = 2e-4
FRAMES_S = 100  # frames of the model in a second
NATS = 1024e-4
"""Nats in a unit of a score: logarithms to the base 1.0001, in senones shifted by ten bits."""
SCORE_NATS = NATS * math.log(1.0001) ** -1
"""Nats in the natural logarithm of a path's score."""
UNLIKELY = -1e6
SAID, SKIPPED = 0.9, 1e-8
"""Weights of saying a word and of leaving it out."""
SKIPS_MOST = 12
"""Words in a row that the grammar lets go at once; longer gaps are made of several."""
TOGETHER = 60
"""Words whose phones are aligned at once."""
APOSTROPHES = str.maketrans("\u2018\u2019\u02bc\u00b4`", "'''''")
BETWEEN = re.compile(r"[\s\u2010-\u2015\-/\u2026_]+")


@dataclass(frozen=True)
class Heard:
    """What of a text is in a recording."""

    positions: tuple[int, ...]
    """Of the words that are heard in the order of the text; may be none."""
    likelihood: float
    """Of the path that found them, logarithm, nats."""
    alignment: tuple[AlignedWord, ...] | None
    """Where the words are, if all are heard and there are not many; else ask `aligned`."""


@dataclass(frozen=True)
class AlignedWord:
    """Where a word of the text is said."""

    position: int
    """In the text, from 0."""
    start: int
    """Frame of 10 ms, from the start of the recording."""
    frames: int
    gop: float
    """Goodness of pronunciation, nats a frame, averaged over the word's phones: log-likelihood of
    the phone's senones relative to the best senone (after Witt and Young 2000); 0 is best."""

    @property
    def end(self) -> int:
        """The first frame after the word."""
        return self.start + self.frames


def spoken_words(text: str) -> tuple[str, ...]:
    """The words of `text` as the dictionary writes them: lower case, no punctuation, no accents.

    What is neither letter nor apostrophe inside a word stays, so that the dictionary refuses it
    rather than that it is left out in silence. Raises `NoWords`.
    """
    plain = unicodedata.normalize("NFKD", text.translate(APOSTROPHES).lower())
    plain = "".join(c for c in plain if not unicodedata.combining(c))
    parts = (part.strip("".join({c for c in part if _around(c)})) for part in BETWEEN.split(plain))
    words = tuple(unicodedata.normalize("NFC", part) for part in parts if part)
    if not words:
        raise NoWords
    return words


def _around(character: str) -> bool:
    """Whether it is punctuation, which may stand around a word (an apostrophe belongs to it)."""
    return character != "'" and unicodedata.category(character)[0] in "PS"


class Aligner:
    """One acoustic model in memory, for one recording after the other; not for several threads."""

    def __init__(self) -> None:
        self._decoder = self._made()

    @staticmethod
    def _made() -> Any:
        return pocketsphinx.Decoder(
            hmm=str(MODEL / "en-us"),
            dict=str(MODEL / "cmudict-en-us.dict"),
            lm=None,
            loglevel="FATAL",
            compallsen=True,
            bestpath=False,
            cmn="batch",
            beam=1e-120,
            pbeam=1e-120,
            wbeam=1e-100,
        )

    def known(self, text: str) -> tuple[str, ...]:
        """The words of `text`; raises `UnknownWords` with those outside the dictionary, `NoWords`."""
        words = self._resolved(spoken_words(text))
        unknown = [word for word in words if self._decoder.lookup_word(word) is None]
        if unknown:
            raise UnknownWords(dict.fromkeys(unknown))
        return words

    def _resolved(self, words: Sequence[str]) -> tuple[str, ...]:
        """Quotation marks that look like apostrophes go where the dictionary has no such word."""
        return tuple(
            word if self._decoder.lookup_word(word) else (word.strip("'") or word) for word in words
        )

    def heard(self, samples: NDArray[np.float32], words: Sequence[str]) -> Heard:
        """Which words are said, in the order of the text; any may be left out.

        A grammar that may leave out words finds some in any speech: see `margin`.
        """
        pcm, every = _pcm(samples), tuple(range(len(words)))
        positions, likelihood = self._searched(pcm, words, every, skips=True)
        alignment = None
        if positions == every and len(every) <= TOGETHER:
            try:
                alignment = self._phones(pcm, every)
            except RuntimeError:
                self._decoder = self._made()
        return Heard(positions, likelihood, alignment)

    def margin(
        self, samples: NDArray[np.float32], words: Sequence[str], heard: Heard
    ) -> float | None:
        """How much better the text explains the recording than its words backwards do, nats a frame.

        Those sound the same and mean nothing: about 0 for other speech and noise, 2 and more for the
        text said clearly. None where the reverse is the same, or no path was found for it.
        """
        if list(words) == list(reversed(words)):
            return None
        pcm, backwards = _pcm(samples), range(len(words))[::-1]
        _, likelihood = self._searched(pcm, words, backwards, skips=True)
        if likelihood == UNLIKELY:
            return None
        return (heard.likelihood - likelihood) / (len(pcm) / 2 / RATE * FRAMES_S)

    def aligned(
        self, samples: NDArray[np.float32], words: Sequence[str], positions: Sequence[int]
    ) -> tuple[AlignedWord, ...] | None:
        """The words at `positions` in the recording, all of them; None if they do not fit."""
        pcm = _pcm(samples)
        try:
            if self._searched(pcm, words, positions, skips=False)[0] != tuple(positions):
                return None
            if len(positions) > TOGETHER:
                return self._in_pieces(samples, words, positions)
            return self._phones(pcm, positions)
        except RuntimeError:  # the search did not reach its end; the decoder is of no use any more
            self._decoder = self._made()
            return None

    def _in_pieces(
        self, samples: NDArray[np.float32], words: Sequence[str], positions: Sequence[int]
    ) -> tuple[AlignedWord, ...] | None:
        """What was just searched, cut between words: phones take memory by words times frames."""
        pad = round(PAD_S * FRAMES_S)
        spans = [
            (segment.start_frame - pad, segment.end_frame + 1 - pad)
            for segment in self._decoder.seg()
            if "~" in segment.word
        ]
        pieces = -(-len(positions) // TOGETHER)
        borders = [round(n * len(positions) / pieces) for n in range(1, pieces)]
        cuts = [0, *((spans[n - 1][1] + spans[n][0]) // 2 for n in borders)]
        found: list[AlignedWord] = []
        hop = RATE // FRAMES_S
        for start, end, first, last in zip(
            cuts, [*cuts[1:], None], [0, *borders], [*borders, len(positions)], strict=True
        ):
            piece = samples[start * hop : None if end is None else end * hop]
            aligned = self.aligned(piece, words, positions[first:last])
            if not aligned:
                return None
            found += [replace(word, start=word.start + start) for word in aligned]
        return tuple(found)

    def _phones(self, pcm: bytes, positions: Sequence[int]) -> tuple[AlignedWord, ...]:
        """The second pass, over what was just searched; empty if it found something else."""
        self._decoder.set_alignment()
        self._utter(pcm)
        found = []
        pad = round(PAD_S * FRAMES_S)
        for entry in self._decoder.get_alignment():
            name, _, position = entry.name.partition("~")
            if name.startswith(("<", "[", "+")):
                continue
            phones = [phone.score * NATS / max(phone.duration, 1) for phone in entry]
            start = max(0, entry.start - pad)
            found.append(
                AlignedWord(
                    int(position.partition("(")[0]),
                    start,
                    max(1, entry.start + entry.duration - pad - start),
                    float(np.mean(phones)),
                )
            )
        return tuple(found) if [w.position for w in found] == list(positions) else ()

    def _searched(
        self, pcm: bytes, words: Sequence[str], positions: Sequence[int], *, skips: bool
    ) -> tuple[tuple[int, ...], float]:
        """The positions that were found, and the logarithm of the path's likelihood, nats."""
        decoder = self._decoder
        names = [self._named(words[position], position) for position in positions]
        last = len(names)
        arcs: list[tuple[Any, ...]] = [(i, i + 1, SAID, name) for i, name in enumerate(names)]
        if skips:
            arcs += [
                (i, j, SKIPPED ** (j - i))
                for i in range(last)
                for j in range(i + 1, min(last, i + SKIPS_MOST) + 1)
            ]
        decoder.add_fsg("text", decoder.create_fsg("text", 0, last, arcs))
        decoder.activate_search("text")
        try:
            self._utter(pcm)
        except RuntimeError:
            self._decoder = self._made()
            return (), UNLIKELY
        best = decoder.hyp()
        if best is None:
            return (), UNLIKELY
        heard = []
        for segment in decoder.seg():
            _, marked, position = segment.word.partition("~")
            if marked:
                heard.append(int(position.partition("(")[0]))
        return tuple(heard), math.log(max(best.score, sys.float_info.min)) * SCORE_NATS

    def _named(self, word: str, position: int) -> str:
        """A name of its own for the word at `position`, with all its pronunciations.

        Texts say words twice; the grammar must tell which of them was heard.
        """
        decoder, name = self._decoder, f"{word}~{position}"
        if decoder.lookup_word(name) is None:
            variant = 1
            while phones := decoder.lookup_word(word if variant == 1 else f"{word}({variant})"):
                own = name if variant == 1 else f"{name}({variant})"
                decoder.add_word(own, phones, update=False)
                variant += 1
        return name

    def _utter(self, pcm: bytes) -> None:
        self._decoder.start_utt()
        self._decoder.process_raw(pcm, full_utt=True)
        self._decoder.end_utt()


def _pcm(samples: NDArray[np.float32]) -> bytes:
    pad = np.random.default_rng(1).normal(0, PAD_LEVEL, round(PAD_S * RATE)).astype(np.float32)
    padded = np.clip(np.concatenate([pad, samples, pad]), -1, 1)
    return (padded * 32767).astype("<i2").tobytes()
