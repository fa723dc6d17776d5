"""Sound files for tests: the bundled voices, and everything that is wrong with recordings."""

from __future__ import annotations

import io
import json
from functools import cache
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

SAMPLES = Path(__file__).resolve().parents[3] / "deploy" / "local" / "speech_samples"
RATE = 16_000
Samples = NDArray[np.float32]


def line(name: str = "sea") -> str:
    """What is said in the samples of that name."""
    return str(json.loads((SAMPLES / "samples.json").read_text(encoding="utf-8"))["lines"][name])


def sample(name: str) -> bytes:
    """A bundled file: `sea_actor`, `sea_learner`, `sea_skips`, `sea_other`."""
    return (SAMPLES / f"{name}.ogg").read_bytes()


@cache
def heard(name: str, rate: int = RATE) -> Samples:
    """The same as samples, (n,), -1..1."""
    with av.open(io.BytesIO(sample(name))) as file:
        resampler = av.AudioResampler("flt", "mono", rate)
        blocks = [b for frame in file.decode(audio=0) for b in resampler.resample(frame)]
        blocks += resampler.resample(None)
    return np.concatenate([block.to_ndarray()[0] for block in blocks])


def silence(seconds: float, rate: int = RATE) -> Samples:
    return np.zeros(round(seconds * rate), np.float32)


def noise(seconds: float, rate: int = RATE) -> Samples:
    made = np.random.default_rng(1).normal(0, 0.1, round(seconds * rate))
    return made.astype(np.float32)


def hum(seconds: float, rate: int = RATE) -> Samples:
    times = np.arange(round(seconds * rate)) / rate
    return (0.3 * np.sin(2 * np.pi * 100 * times)).astype(np.float32)


def encoded(
    samples: Samples,
    kind: str = "wav",
    codec: str = "pcm_s16le",
    *,
    rate: int = RATE,
    layout: str = "mono",
    given_rate: int = RATE,
    **options: str,
) -> bytes:
    """`samples` of `given_rate` as a file of that kind."""
    held = io.BytesIO()
    with av.open(held, "w", format=kind, options=options) as file:
        stream = file.add_stream(codec, rate=rate)
        stream.codec_context.layout = layout
        wanted = stream.codec_context.format or av.AudioFormat("s16")
        resampler = av.AudioResampler(wanted, layout, rate, stream.frame_size or 1024)
        frame = av.AudioFrame.from_ndarray(samples[None, :], "flt", "mono")
        frame.rate = given_rate
        for block in [*resampler.resample(frame), *resampler.resample(None)]:
            file.mux(stream.encode(block))
        file.mux(stream.encode(None))
    return held.getvalue()


def film(seconds: float = 0.5) -> bytes:
    """A video with sound."""
    held = io.BytesIO()
    with av.open(held, "w", format="mp4") as file:
        pictures = file.add_stream("mpeg4", rate=10)
        pictures.width = pictures.height = 64
        pictures.pix_fmt = "yuv420p"
        sound = file.add_stream("aac", rate=RATE)
        sound.codec_context.layout = "mono"
        for _ in range(round(seconds * 10)):
            picture = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), "rgb24")
            file.mux(pictures.encode(picture))
        file.mux(pictures.encode(None))
        frame = av.AudioFrame.from_ndarray(noise(seconds)[None, :], "fltp", "mono")
        frame.rate = RATE
        file.mux(sound.encode(frame))
        file.mux(sound.encode(None))
    return held.getvalue()
