"""Keys and user-given paths, resolved under a root and refused when they leave it.

A link inside the root that points outside leaves it too, so every path is resolved before it is
compared. The check sees the tree as it is now: who can plant links on our own disk while we look
is not defended against here.
"""

from __future__ import annotations

from pathlib import Path

from shared.errors import BadInput

MAX_KEY_BYTES = 1024  # the limit of S3
MAX_NAME_BYTES = 255  # the limit of ext4, xfs, apfs and ntfs


def under(root: Path, user_path: str | Path) -> Path:
    """`user_path` inside `root`, resolved; it need not exist.

    Relative paths start at the root; an absolute one is taken only where it lies inside it.
    """
    text = str(user_path)
    _refuse_unusable(text, "path")
    if ".." in Path(text).parts:
        raise BadInput(
            f"The path {text!r} contains '..'. Give it relative to its root, without '..'."
        )
    base = root.resolve()
    try:
        resolved = (base / text).resolve()
    except (OSError, RuntimeError) as error:  # a loop of links, a name too long
        raise BadInput(f"The path {text!r} cannot be resolved: {error}.") from error
    if not resolved.is_relative_to(base):
        raise BadInput(
            f"The path {text!r} leaves its root. Give a path inside it, without '..', "
            "not absolute, and not through a link that points elsewhere."
        )
    return resolved


def checked_key(key: str) -> str:
    """`key` itself, if it is `folder/.../name`."""
    checked_prefix(key)
    if "/" not in key:
        raise BadInput(f"The storage key {key!r} has no folder. Write it as folder/name.")
    return key


def checked_prefix(prefix: str) -> str:
    """`prefix` itself, if it is a key or a folder of keys."""
    _refuse_unusable(prefix, "storage key")
    if len(prefix.encode()) > MAX_KEY_BYTES:
        raise BadInput(f"The storage key {prefix[:80]!r}... is longer than {MAX_KEY_BYTES} bytes.")
    if "\\" in prefix:
        raise BadInput(f"The storage key {prefix!r} contains a backslash. Separate folders by '/'.")
    if any(part in {"", ".", ".."} for part in prefix.split("/")):
        raise BadInput(
            f"The storage key {prefix!r} is absolute, or has an empty, '.' or '..' part. "
            "Write it as folder/name."
        )
    if prefix.startswith("."):
        raise BadInput(f"The storage key {prefix!r} begins with a dot; such folders are our own.")
    return prefix


def _refuse_unusable(text: str, what: str) -> None:
    if not text:
        raise BadInput(f"The {what} is empty.")
    if any(ord(character) < 32 or ord(character) == 127 for character in text):
        raise BadInput(f"The {what} {text!r} contains control characters.")
    if any(len(part.encode(errors="surrogatepass")) > MAX_NAME_BYTES for part in text.split("/")):
        raise BadInput(
            f"The {what} {text[:80]!r}... has a name longer than {MAX_NAME_BYTES} bytes."
        )
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise BadInput(f"The {what} {text!r} is not valid Unicode text.") from error
