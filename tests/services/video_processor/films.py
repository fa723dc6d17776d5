"""Small real videos whose every frame carries its number, and the eye that reads it back."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

BITS = 10
PLAIN = {"preset": "ultrafast", "crf": "12"}


def picture(number, width=160, height=96):
    """RGB: `number` as ten bars on top, below them red on the left, green on the right."""
    image = np.full((height, width, 3), 90, np.uint8)
    for bit in range(BITS):
        if number >> bit & 1:
            image[: height // 2, bit * width // BITS : (bit + 1) * width // BITS] = 235
        else:
            image[: height // 2, bit * width // BITS : (bit + 1) * width // BITS] = 20
    image[height // 2 :, : width // 2] = (220, 30, 30)
    image[height // 2 :, width // 2 :] = (30, 200, 30)
    return image


def number_in(bgr):
    """The number that `picture` wrote."""
    height, width = bgr.shape[:2]
    gray = cv2.cvtColor(bgr, cv2.COLOR_BGR2GRAY)
    return sum(
        int(gray[height // 8 : height // 3, int((bit + 0.5) * width / BITS)].mean() > 128) << bit
        for bit in range(BITS)
    )


def film(
    path,
    *,
    frames=40,
    size=(160, 96),
    rate=25,
    codec="libx264",
    pixels="yuv420p",
    options=None,
    rotation=None,
    hflip=False,
    times=None,
    time_base=None,
    container_options=None,
    form=None,
    sound=False,
    aspect=None,
    full_range=False,
):
    """Write `frames` numbered pictures; `times` are seconds, one a frame, for a variable rate."""
    options = (PLAIN if codec == "libx264" else {}) | (options or {})
    with av.open(str(path), "w", format=form, options=container_options or {}) as out:
        track = out.add_stream(codec, rate=rate, options=options)
        track.width, track.height, track.pix_fmt = *size, pixels
        track.codec_context.thread_count = 1
        if aspect:
            track.codec_context.sample_aspect_ratio = aspect
        if full_range:
            track.codec_context.color_range = 2
        if rotation is not None:
            track.set_display_rotation(rotation, hflip=hflip)
        base = Fraction(1, 1000) if times else 1 / Fraction(rate)
        track.codec_context.time_base = base
        voice = out.add_stream("aac", rate=16000) if sound else None
        out.start_encoding()  # a file without frames gets its header too
        for number in range(frames):
            image = av.VideoFrame.from_ndarray(picture(number, *size), format="rgb24")
            image = image.reformat(format=pixels, dst_color_range=2 if full_range else None)
            image.time_base = base
            image.pts = round(times[number] * 1000) if times else number
            out.mux(track.encode(image))
        out.mux(track.encode(None))
        if voice:
            _hum(out, voice, frames / float(rate))
    return Path(path)


def tone(path, codec="pcm_s16le", seconds=1.0, cover=False):
    """Sound without picture; with `cover`, a picture that is only a cover."""
    with av.open(str(path), "w") as out:
        voice = out.add_stream(codec, rate=16000)
        _hum(out, voice, seconds)
    return Path(path)


def _hum(out, voice, seconds):
    samples = (np.sin(np.arange(int(16000 * seconds)) / 8) * 8000).astype(np.int16)
    for start in range(0, len(samples), 1024):
        piece = av.AudioFrame.from_ndarray(
            samples[None, start : start + 1024], format="s16", layout="mono"
        )
        piece.sample_rate, piece.pts, piece.time_base = 16000, start, Fraction(1, 16000)
        out.mux(voice.encode(piece))
    out.mux(voice.encode(None))


def seen(path):
    """(numbers read from the frames, times in seconds, last BGR picture), by plain decoding."""
    numbers, times, last = [], [], None
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            last = frame.to_ndarray(format="bgr24")
            numbers.append(number_in(last))
            times.append(frame.time)
    return numbers, times, last
