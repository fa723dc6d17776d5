"""Signed addresses: what opens, what does not, and who keeps the secret."""

from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import Forbidden, NotFound
from shared.net.signed_links import AUDIO, checked_link, kept_secret, link_path

SECRET, KEY = b"a secret of this test", "frames/task-1/00000012.jpg"


def parts(path: str) -> tuple[str, str]:
    token, rest = path.removeprefix("/frames/").split("/", 1)
    return token, rest


def test_an_address_opens_its_own_frame() -> None:
    token, rest = parts(link_path(SECRET, KEY, 60))
    assert rest == "task-1/00000012.jpg"
    assert checked_link(SECRET, token, rest) == KEY


def test_it_opens_nothing_else() -> None:
    token, rest = parts(link_path(SECRET, KEY, 60))
    expires, _, signature = token.partition("-")
    forged = [
        (token, "task-2/00000012.jpg"),
        (token, "task-1/00000013.jpg"),
        (f"{int(expires) + 1}-{signature}", rest),
        (f"{expires}-{'0' * 64}", rest),
        (f"-{signature}", rest),
        ("", rest),
        ("\u0663-x", rest),
    ]
    for given_token, given_rest in forged:
        with pytest.raises(Forbidden, match="not signed"):
            checked_link(SECRET, given_token, given_rest)
    with pytest.raises(Forbidden, match="not signed"):
        checked_link(b"another secret", token, rest)


def test_it_expires() -> None:
    token, rest = parts(link_path(SECRET, KEY, -1))
    with pytest.raises(Forbidden, match="expired"):
        checked_link(SECRET, token, rest)


@pytest.mark.parametrize(
    "key",
    [
        "frames/../api_key.jpg",
        "frames/task-1/../../labels/x.png",
        "frames/task-1//x.png",
        "frames/task-1/frames.json",
        "videos/task-1/frame.jpg",
        "frames/..\\x.png",
    ],
)
def test_only_images_of_frames_have_addresses(key: str) -> None:
    with pytest.raises(NotFound, match="Only images"):
        link_path(SECRET, key, 60)


@given(st.text(max_size=90), st.text(max_size=90))
def test_whatever_is_sent_is_refused_in_words(token: str, rest: str) -> None:
    with pytest.raises((Forbidden, NotFound)):
        checked_link(SECRET, token, rest)


def test_the_secret_is_made_once_by_whoever_comes_first(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(lambda _: kept_secret(None, tmp_path / "data"), range(16)))
    assert len(found) == 1
    (file,) = (tmp_path / "data").iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert kept_secret("configured", tmp_path / "data") == b"configured"


# --- audio ----------------------------------------------------------------------------------------

RECORDING, TAKE = "inputs/job-1/recording.webm", "catalogue/tokens/line-1/task-1/take.wav"


@pytest.mark.parametrize("key", [RECORDING, TAKE, "catalogue/scripts/line-1/a take.wav"])
def test_an_address_of_audio_opens_it_and_no_frame(key: str) -> None:
    path = link_path(SECRET, key, 60, AUDIO)
    token, rest = path.removeprefix("/audio/").split("/", 1)
    assert checked_link(SECRET, token, unquote(rest), AUDIO) == key
    with pytest.raises(Forbidden, match="of a frame is not signed"):
        checked_link(SECRET, token, unquote(rest))
    with pytest.raises(Forbidden, match="of audio is not signed"):
        checked_link(SECRET, token, "inputs/job-2/recording.webm", AUDIO)


@pytest.mark.parametrize(
    "key",
    [
        "inputs/job-1/other.wav",
        "inputs/recording.wav",
        "inputs/../api_key",
        "catalogue/tokens/../../api_key",
        "catalogue/actors/x.png",
        "interim/job-1/recording.wav",
    ],
)
def test_only_recordings_and_takes_have_addresses_of_audio(key: str) -> None:
    with pytest.raises(NotFound, match="Only recordings"):
        link_path(SECRET, key, 60, AUDIO)
