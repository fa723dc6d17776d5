"""What browsers, telephones and studios record comes out as the same samples; the rest is refused."""

from __future__ import annotations

import wave
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from services.audio_analyzer.engines.decoding import RATE, decoded
from services.audio_analyzer.errors import (
    EmptyAudio,
    NoAudio,
    TooLongAudio,
    UnreadableAudio,
    VideoInsteadOfAudio,
)
from shared.errors import NotFound

SECONDS, HERTZ = 1.5, 440.0


def written(path: Path, codec: str, rate: int, layout: str, seconds: float = SECONDS) -> Path:
    """A tone in the format that the ending and the codec say."""
    with av.open(str(path), "w") as sink:
        stream = sink.add_stream(codec, rate=rate)
        stream.layout = layout
        t = np.arange(round(seconds * rate)) / rate
        tone = (0.5 * np.sin(2 * np.pi * HERTZ * t)).astype(np.float32)
        channels = np.tile(tone, (2 if layout == "stereo" else 1, 1))
        frame = av.AudioFrame.from_ndarray(channels, format="fltp", layout=layout)
        frame.sample_rate, frame.time_base, frame.pts = rate, Fraction(1, rate), 0
        size = stream.codec_context.frame_size or None
        resampler = av.AudioResampler(stream.codec_context.format, layout, rate, frame_size=size)
        for part in (*resampler.resample(frame), *resampler.resample(None)):
            sink.mux(stream.encode(part))
        sink.mux(stream.encode(None))
    return path


FORMATS = [
    ("plain.wav", "pcm_s16le", 16_000, "mono"),
    ("eight_bits.wav", "pcm_u8", 8_000, "mono"),
    ("studio.wav", "pcm_f32le", 96_000, "stereo"),
    ("telephone.wav", "pcm_mulaw", 8_000, "mono"),
    ("song.mp3", "libmp3lame", 44_100, "stereo"),
    ("phone.m4a", "aac", 48_000, "mono"),
    ("firefox.ogg", "libopus", 48_000, "mono"),
    ("chrome.webm", "libopus", 48_000, "stereo"),
    ("archive.flac", "flac", 44_100, "stereo"),
    ("misnamed.txt.wav", "pcm_s24le", 22_050, "mono"),
]


@pytest.mark.parametrize(("name", "codec", "rate", "layout"), FORMATS)
def test_a_tone_is_a_tone_in_every_format(
    tmp_path: Path, name: str, codec: str, rate: int, layout: str
):
    samples = decoded(written(tmp_path / name, codec, rate, layout))
    assert samples.dtype == np.float32
    assert samples.size / RATE == pytest.approx(SECONDS, abs=0.1)
    assert float(samples[2000:18000].std()) == pytest.approx(0.354, rel=0.15)
    spectrum = np.abs(np.fft.rfft(samples[2000:18000]))
    assert spectrum.argmax() * RATE / 16000 == pytest.approx(HERTZ, abs=2)


def test_the_ending_says_nothing(tmp_path: Path):
    path = written(tmp_path / "a.mp3", "libmp3lame", 44_100, "mono").rename(tmp_path / "a.wav")
    assert decoded(path).size


def test_a_video_is_named_as_one(tmp_path: Path):
    path = tmp_path / "film.mp4"
    with av.open(str(path), "w") as sink:
        pictures = sink.add_stream("mpeg4", rate=10)
        pictures.width = pictures.height = 64
        sink.add_stream("aac", rate=16_000)
        for _ in range(5):
            frame = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="rgb24")
            sink.mux(pictures.encode(frame))
        sink.mux(pictures.encode(None))
    with pytest.raises(VideoInsteadOfAudio):
        decoded(path)


def test_what_is_no_sound_is_refused(tmp_path: Path):
    empty, junk, page = (tmp_path / n for n in ("empty.wav", "junk.ogg", "page.mp3"))
    empty.touch()
    junk.write_bytes(np.random.default_rng(0).bytes(5000))
    page.write_text("<html>not found</html>", encoding="utf-8")
    with pytest.raises(EmptyAudio):
        decoded(empty)
    for path in (junk, page):
        with pytest.raises((UnreadableAudio, NoAudio)):
            decoded(path)
    with pytest.raises(NotFound):
        decoded(tmp_path / "nowhere.wav")
    with wave.open(str(tmp_path / "none.wav"), "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", ""))
    with pytest.raises(EmptyAudio):
        decoded(tmp_path / "none.wav")


def test_a_playlist_opens_nothing(tmp_path: Path):
    inner = written(tmp_path / "inner.wav", "pcm_s16le", 16_000, "mono")
    listing = tmp_path / "list.m3u8"
    listing.write_text(f"#EXTM3U\n#EXTINF:1,\n{inner.name}\n#EXT-X-ENDLIST\n", encoding="utf-8")
    with pytest.raises((UnreadableAudio, NoAudio)):
        decoded(listing)


def test_length_is_limited_by_header_and_by_truth(tmp_path: Path):
    long = written(tmp_path / "long.wav", "pcm_s16le", 8_000, "mono", seconds=4.0)
    assert decoded(long, longest_s=4.0).size == pytest.approx(4 * RATE, abs=RATE // 10)
    with pytest.raises(TooLongAudio):
        decoded(long, longest_s=2.0)
    untold = written(tmp_path / "untold.aac", "aac", 16_000, "mono", seconds=4.0)
    with pytest.raises(TooLongAudio):
        decoded(untold, longest_s=2.0)


def test_a_cut_off_recording_is_used_as_far_as_it_goes(tmp_path: Path):
    whole = written(tmp_path / "whole.ogg", "libopus", 48_000, "mono", seconds=3.0)
    cut = tmp_path / "cut.ogg"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size * 2 // 3])
    assert 0 < decoded(cut).size <= 3 * RATE + RATE // 10


def test_impossible_samples_become_possible(tmp_path: Path):
    path = written(tmp_path / "odd.wav", "pcm_f32le", 16_000, "mono")
    data = bytearray(path.read_bytes())
    data[-40:-32] = np.array([np.nan, np.inf], "<f4").tobytes()
    path.write_bytes(data)
    samples = decoded(path)
    assert np.isfinite(samples).all()
    assert np.abs(samples).max() <= 1.0
