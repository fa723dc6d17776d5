"""A choice from a long video takes no more memory than from a short one."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.services.video_processor.choice_films import squares, table, walk

LONG, PART = 100_000, 1_000  # frames
CHOICE = """
import resource, sys
from pathlib import Path
from services.video_processor.engines.choice.choosing import choose
from shared.events.learning_settings import FrameBudget
video, last = map(Path, sys.argv[1:])
budget = FrameBudget(motion=0.2)
chosen = choose(video, 40, budget, last=last, other=last, taken=range(0, 1000, 50))
assert len(chosen) == 40, len(chosen)
print(len({each.frame * 8 // FRAMES for each in chosen}), end=" ")
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
"""


def _repeated(video, longer, times):
    """`video` again and again; packets are copied, not encoded."""
    import av

    with av.open(str(video)) as source, av.open(str(longer), "w") as sink:
        stream = source.streams.video[0]
        packets = [packet for packet in source.demux(stream) if packet.size]
        copy = sink.add_stream_from_template(stream)
        step = packets[1].dts - packets[0].dts
        stamps = [(packet.pts, packet.dts) for packet in packets]
        for turn in range(times):
            for packet, (pts, dts) in zip(packets, stamps, strict=True):
                shift = turn * len(packets) * step
                packet.pts, packet.dts, packet.stream = pts + shift, dts + shift, copy
                sink.mux(packet)
    return longer


def _peak(video, last, frames):
    """(eighths of the video with chosen frames, peak memory of the process in bytes)."""
    done = subprocess.run(
        [sys.executable, "-c", CHOICE.replace("FRAMES", str(frames)), str(video), str(last)],
        capture_output=True,
        text=True,
        check=True,
    )
    parts, peak = done.stdout.split("\n")[-2].split()
    return int(parts), int(peak)


@pytest.mark.slow
def test_a_hundred_thousand_frames_in_bounded_memory(tmp_path):
    part = squares(tmp_path / "part.mp4", walk(PART), size=(96, 64))
    long = _repeated(part, tmp_path / "long.mp4", LONG // PART)
    places = walk(PART)

    def rows(count):
        return [
            (i, i // 700 + 1, 0.5 + (i % 50) / 100, *places[i % PART][0])
            for i in range(count)
            if i % 350
        ]

    _, usual = _peak(part, table(tmp_path / "part.csv", rows(PART)), PART)
    parts, peak = _peak(long, table(tmp_path / "long.csv", rows(LONG)), LONG)
    print(f"peak {usual / 1e6:.0f} MB for {PART} frames, {peak / 1e6:.0f} MB for {LONG}")  # noqa: T201 - a figure
    assert parts >= 6, "the whole video is looked at"
    assert peak - usual < 150e6, f"{usual / 1e6:.0f} MB became {peak / 1e6:.0f} MB"
