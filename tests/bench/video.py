"""The video that the rows work on, and long ones made of it."""

from __future__ import annotations

from pathlib import Path

from deploy.simulator.arena import render_arena

FPS = 30


def arena(folder: Path, frames: int) -> Path:
    """An open field of 640x480 pixels with three animals, H.264."""
    video = folder / f"arena_{frames}.mp4"
    if not video.exists():
        render_arena(video, folder / "arena.csv", seconds=frames / FPS, fps=FPS, seed=5)
    return video


def repeated(video: Path, frames: int) -> Path:
    """`video` again and again until it has `frames` frames; packets are copied, not encoded."""
    import av

    longer = video.with_name(f"repeated_{frames}.mp4")
    with av.open(str(video)) as source, av.open(str(longer), "w") as sink:
        stream = source.streams.video[0]
        assert stream.time_base is not None
        packets = [packet for packet in source.demux(stream) if packet.size]
        copy = sink.add_stream_from_template(stream)
        begin = min(packet.pts or 0 for packet in packets)
        length = round(len(packets) / FPS / stream.time_base)
        times = [(packet.pts, packet.dts) for packet in packets]
        for index in range(frames):
            turn, place = divmod(index, len(packets))
            pts, dts = times[place]
            packet = packets[place]
            packet.pts = (pts or 0) - begin + turn * length
            packet.dts = (dts or 0) - begin + turn * length
            packet.stream = copy
            sink.mux(packet)
    return longer
