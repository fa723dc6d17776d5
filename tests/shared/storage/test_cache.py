"""The bound of the local copies: what goes, and what stays because somebody needs it."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from shared.storage.cache import HOLDS, Cache

MB = 1_000_000


def add(cache: Cache, key: str, *, size: int = MB, age_s: float = 3600.0) -> Path:
    """A copy that was asked for `age_s` ago; nobody makes room for it yet."""
    path = cache.path(key)
    data = key.encode().ljust(size, b".")
    path.write_bytes(data)
    Cache(cache.root).note(key, hashlib.sha256(data).hexdigest())
    moment = time.time() - age_s
    os.utime(cache.root / ".kept" / f"{key}.json", (moment, moment))
    return path


def there(cache: Cache) -> list[str]:
    return sorted(p.name for p in cache.root.glob("[!.]*/**/*") if p.is_file())


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "work", limit_bytes=4 * MB)


def test_the_copies_not_asked_for_longest_go_first(cache: Cache):
    for n in range(6):
        add(cache, f"videos/{n}/{n}.mp4", age_s=7200 - n * 600)
    cache.trim()
    assert there(cache) == ["3.mp4", "4.mp4", "5.mp4"]
    assert cache.trim() == 0


def test_a_copy_that_is_asked_for_again_is_young(cache: Cache):
    oldest = add(cache, "videos/1/1.mp4", age_s=9000)
    for n in range(2, 7):
        add(cache, f"videos/{n}/{n}.mp4", age_s=7200 - n * 600)
    assert cache.holds("videos/1/1.mp4", hashlib.sha256(oldest.read_bytes()).hexdigest())
    cache.trim()
    assert "1.mp4" in there(cache)


def test_what_was_asked_for_just_now_stays_beyond_the_limit(cache: Cache):
    for n in range(6):
        add(cache, f"videos/{n}/{n}.mp4", age_s=0)
    assert cache.trim() == 0
    assert len(there(cache)) == 6


def test_work_that_nobody_kept_is_no_copy(cache: Cache):
    work = cache.path("interim/1/work.bin")
    work.write_bytes(b"x" * 10 * MB)
    changed = add(cache, "models/1/model.pt")
    changed.write_bytes(b"changed since it was kept")
    for n in range(6):
        add(cache, f"videos/{n}/{n}.mp4")
    cache.trim()
    assert work.exists()
    assert changed.exists()
    assert len(there(cache)) == 2 + 2


def test_new_copies_make_room_by_themselves(cache: Cache):
    for n in range(40):
        path = add(cache, f"videos/{n}/{n}.mp4", age_s=3600 - n)
        cache.note(f"videos/{n}/{n}.mp4", hashlib.sha256(path.read_bytes()).hexdigest())
        note = cache.root / f".kept/videos/{n}/{n}.mp4.json"
        if note.exists():
            os.utime(note, (n, n))
    assert sum(p.stat().st_size for p in cache.root.glob("videos/**/*.mp4")) <= 5 * MB


def test_without_a_limit_nothing_goes(tmp_path: Path):
    cache = Cache(tmp_path / "work")
    for n in range(6):
        add(cache, f"videos/{n}/{n}.mp4")
    assert cache.trim() == 0


def test_what_work_was_given_stays_until_it_ends(cache: Cache):
    first = add(cache, "videos/0/0.mp4", age_s=9000)
    sha256 = hashlib.sha256(first.read_bytes()).hexdigest()
    with cache.working():
        assert cache.holds("videos/0/0.mp4", sha256)
        os.utime(cache.root / ".kept/videos/0/0.mp4.json", (1, 1))
        for n in range(1, 7):
            add(cache, f"videos/{n}/{n}.mp4", age_s=7200 - n)
        cache.trim()
        assert there(cache) == ["0.mp4", "5.mp4", "6.mp4"]
    assert [p.name for p in (cache.root / HOLDS).iterdir()] == ["gate"]
    add(cache, "videos/7/7.mp4", size=2 * MB, age_s=1000)
    cache.trim()
    assert "0.mp4" not in there(cache)


def test_what_another_process_works_with_stays_until_that_is_killed(cache: Cache):
    for n in range(7):
        add(cache, f"videos/{n}/{n}.mp4", age_s=7200 - n * 60)
    code = (
        "import hashlib, os, sys, time\n"
        "from pathlib import Path\n"
        "from shared.storage.cache import Cache\n"
        f"cache = Cache(Path({str(cache.root)!r}), limit_bytes=10**12)\n"
        "with cache.working():\n"
        "    data = cache.path('videos/0/0.mp4').read_bytes()\n"
        "    assert cache.holds('videos/0/0.mp4', hashlib.sha256(data).hexdigest())\n"
        "    os.utime(cache.root / '.kept/videos/0/0.mp4.json', (1, 1))\n"
        "    print('working', flush=True)\n"
        "    time.sleep(60)\n"
    )
    worker = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    try:
        assert worker.stdout.readline() == "working\n"
        cache.trim()
        assert there(cache) == ["0.mp4", "5.mp4", "6.mp4"]
        add(cache, "videos/7/7.mp4", size=2 * MB, age_s=1000)
    finally:
        worker.kill()
        worker.wait()
    cache.trim()
    assert "0.mp4" not in there(cache)
    assert [p.name for p in (cache.root / HOLDS).iterdir()] == ["gate"]


def test_two_who_trim_at_once_do_not_wait_for_each_other(cache: Cache):
    for n in range(6):
        add(cache, f"videos/{n}/{n}.mp4")
    with cache._holds.frozen() as held:
        assert held == set()
        assert Cache(cache.root, limit_bytes=1).trim() == 0
    assert cache.trim() > 0
