"""A look at files of strangers: what it finds out, and that it harms nobody but the process that looks."""

from __future__ import annotations

import resource
import struct
import time
from pathlib import Path

import psutil
import pytest

from services.audio_analyzer.engines.glance import glance
from services.audio_analyzer.errors import UnreadableAudio
from tests.services.audio_analyzer.shelf import tone

MIB = 1024**2
UNITY = struct.pack(">9I", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
CONFIG = bytes.fromhex("03190001000411401500000000000000000000000005021210060102")
ELSEWHERE = {
    "a playlist": b"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nfile:///etc/passwd\n",
    "an address": b"#EXTM3U\n#EXTINF:9,\nhttp://127.0.0.1:9/take.wav\n",
    "a list of pieces": b"ffconcat version 1.0\nfile /etc/passwd\n",
    "a session": b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 9 RTP/AVP 0\n",
}


def box(kind: bytes, *parts: bytes) -> bytes:
    content = b"".join(parts)
    return struct.pack(">I4s", 8 + len(content), kind) + content


def full(kind: bytes, *parts: bytes, flags: int = 0) -> bytes:
    return box(kind, struct.pack(">I", flags), *parts)


def numbers(*values: int) -> bytes:
    return struct.pack(f">{len(values)}I", *values)


def m4a(samples: int) -> bytes:
    """Next to nothing in four kilobytes, whose headers say that it is made of so many samples."""
    entry = struct.pack(">6xH8xHHHHI", 1, 2, 16, 0, 0, 44100 << 16)
    table = box(
        b"stbl",
        full(b"stsd", numbers(1), box(b"mp4a", entry, full(b"esds", CONFIG))),
        full(b"stts", numbers(2, 1, 1024, samples - 1, 1024)),
        full(b"stsc", numbers(1, 1, samples, 1)),
        full(b"stsz", numbers(1, samples)),
        full(b"stco", numbers(1, 40)),
    )
    where = box(b"dinf", full(b"dref", numbers(1), full(b"url ", flags=1)))
    media = box(
        b"mdia",
        full(b"mdhd", numbers(0, 0, 44100, 44100, 0x55C40000)),
        full(b"hdlr", numbers(0), b"soun", bytes(12), b"x\0"),
        box(b"minf", full(b"smhd", bytes(4)), where, table),
    )
    track = full(b"tkhd", numbers(0, 0, 1, 0, 1000), bytes(16), UNITY, bytes(8), flags=7)
    film = full(
        *(b"mvhd", numbers(0, 0, 1000, 1000, 0x10000, 0x1000000), bytes(8), UNITY),
        *(bytes(24), numbers(2)),
    )
    kind = box(b"ftyp", b"M4A ", numbers(512), b"M4A isomiso2")
    return kind + box(b"moov", film, box(b"trak", track, media)) + box(b"mdat", bytes(4000))


def kept(folder: Path, content: bytes) -> Path:
    path = folder / "recording.part"
    path.write_bytes(content)
    return path


def test_headers_that_ask_for_all_memory(tmp_path: Path) -> None:
    assert glance(kept(tmp_path, m4a(1000))) == ".m4a"
    begun, before = time.monotonic(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert glance(kept(tmp_path, m4a(200_000_000))) == ".m4a"  # the index is given up, not the file
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50 * 1024  # kibibytes
    assert time.monotonic() - begun < 30
    assert glance(kept(tmp_path, tone())) == ".wav"  # and the next one is looked at as ever


def test_a_look_that_kills_who_looks(tmp_path: Path) -> None:
    assert glance(kept(tmp_path, tone())) == ".wav"
    looking = [
        each
        for each in psutil.Process().children()
        if any("glance_main" in part for part in each.cmdline())
    ]
    for each in looking:
        each.kill()
    psutil.wait_procs(looking, timeout=10)
    assert glance(kept(tmp_path, tone())) == ".wav"


@pytest.mark.parametrize("what", ELSEWHERE)
def test_what_leads_elsewhere_is_not_followed(what: str, tmp_path: Path) -> None:
    with pytest.raises(UnreadableAudio):
        glance(kept(tmp_path, ELSEWHERE[what]))
