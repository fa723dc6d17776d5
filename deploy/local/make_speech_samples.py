"""Makes the spoken samples of tests and of the demonstration, with free synthetic voices.

    python -m deploy.local.make_speech_samples

Needs `espeak-ng` and `flite` (both in Debian) only for this; what they say belongs to whoever makes
them say it, and lies, small as Opus, beside `samples.json`, which tells who says what in which file.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from fractions import Fraction
from pathlib import Path

import av

SAMPLES = Path(__file__).parent / "speech_samples"
LINES = {
    "sea": "The first thing you learn at sea is that nobody is coming to save you.",
    "train": "If we miss the last train tonight, we will have to walk home through the rain.",
    "king": "Now is the winter of our discontent made glorious summer by this sun of York.",
    "jfk": "Ask not what your country can do for you, ask what you can do for your country.",
    "door": "Close the door, sit down, and tell me everything that happened last night.",
}
ACTORS = {"sea": "flite:slt", "train": "flite:rms", "king": "flite:awb"}
LEARNERS = {
    "sea": "flite:rms",
    "train": "espeak:en-us+f5",
    "king": "flite:slt",
    "jfk": "flite:awb",  # whose actor is no synthetic voice, and lies elsewhere
}
SKIPPED = {"sea": (5, 7), "train": (4, 5, 12), "king": (3, 9), "jfk": (1, 8, 13)}
"""Which words a forgetful learner leaves out, from 0."""
RATE = 24_000
BITS_A_SECOND = 32_000


def main() -> None:
    """Say everything, and write down who said it."""
    SAMPLES.mkdir(exist_ok=True)
    made = []
    for line, actor in ACTORS.items():
        made += [
            _said(f"{line}_actor", actor, LINES[line], line, "actor"),
            _said(f"{line}_other", actor, LINES["door"], line, "other"),
        ]
    for line, learner in LEARNERS.items():
        left = [w for i, w in enumerate(LINES[line].split()) if i not in SKIPPED[line]]
        made += [
            _said(f"{line}_learner", learner, LINES[line], line, "learner"),
            _said(f"{line}_skips", learner, " ".join(left), line, "skips"),
        ]
    for entry in made:
        if entry["kind"] == "skips":
            entry["skipped"] = list(SKIPPED[entry["line"]])
    text = json.dumps({"lines": LINES, "samples": made}, indent=1)
    (SAMPLES / "samples.json").write_text(text + "\n", encoding="utf-8")


def _said(name: str, voice: str, text: str, line: str, kind: str) -> dict[str, object]:
    engine, _, of = voice.partition(":")
    with tempfile.TemporaryDirectory() as folder:
        spoken = Path(folder) / "said.wav"
        if engine == "flite":
            subprocess.run(["flite", "-voice", of, "-t", text, "-o", str(spoken)], check=True)
        else:
            subprocess.run(["espeak-ng", "-v", of, "-w", str(spoken), text], check=True)
        _packed(spoken, SAMPLES / f"{name}.ogg")
    return {"file": f"{name}.ogg", "line": line, "kind": kind, "voice": voice}


def _packed(wav: Path, ogg: Path) -> None:
    with av.open(str(wav)) as source, av.open(str(ogg), "w") as sink:
        stream = sink.add_stream("libopus", rate=RATE)
        stream.bit_rate = BITS_A_SECOND
        stream.layout = "mono"
        resampler = av.AudioResampler("s16", "mono", RATE, frame_size=RATE // 50)
        for frame in [*source.decode(audio=0), None]:
            for part in resampler.resample(frame):
                part.time_base = Fraction(1, RATE)
                sink.mux(stream.encode(part))
        sink.mux(stream.encode(None))


if __name__ == "__main__":
    main()
