"""Taking frames over as they are: the same compressed bytes, in an mp4 that plays while it loads."""

from __future__ import annotations

import os
import shutil
from bisect import bisect_left
from pathlib import Path

import av

from services.video_processor.engines.opening import opened_video
from services.video_processor.engines.port import Probe
from shared.progress.report import Report


def take_over(source: Path, target: Path, probe: Probe, report: Report) -> None:
    """`target` holds the frames of `source`, none of them encoded again.

    An mp4 that is already in order is linked (no second copy on the disk), anything else is
    written anew with exact times.
    """
    if probe.video_type == "mp4" and probe.faststart and probe.start_s == 0 and not probe.has_audio:
        try:
            os.link(source, target)
        except OSError:  # another disk, or one without links
            shutil.copyfile(source, target)
        report(1.0, "taken over as it is")
        return
    _remux(source, target, probe, report)


def _remux(source: Path, target: Path, probe: Probe, report: Report) -> None:
    """Frame n gets the time n / rate: Matroska, for one, rounds times to milliseconds."""
    with opened_video(source) as (container, stream):
        shown = [packet.pts or 0 for packet in container.demux(stream) if packet.size]
    order = sorted(shown)
    ranks = [bisect_left(order, time) for time in shown]
    delay = max(sent - rank for sent, rank in enumerate(ranks))  # frames the decoder holds back
    with (
        opened_video(source) as (container, stream),
        av.open(str(target), "w", format="mp4", options={"movflags": "+faststart"}) as out,
    ):
        track = out.add_stream_from_template(stream)
        for sent, packet in enumerate(packet for packet in container.demux(stream) if packet.size):
            packet.stream = track
            packet.time_base = 1 / probe.constant_rate
            packet.pts, packet.dts, packet.duration = ranks[sent], sent - delay, 1
            out.mux(packet)
            report((sent + 1) / len(ranks), "copying", frames=sent + 1)
