"""Which storage keys a caller may name: those of his own tasks, uploads and files."""

from __future__ import annotations

from sqlalchemy.orm import Session

from shared.db.models import Upload
from shared.errors import BadInput, NotFound
from shared.storage.paths import checked_prefix
from shared.web.access import Caller, own_task

BY_TASK = frozenset(
    {"videos", "frames", "labels", "train_log", "inference_results", "inputs", "interim", "outputs"}
)


def own_key(session: Session, caller: Caller, key: str) -> str:
    """`key` itself, if it is the caller's; `BadInput` when it leaves its root, else `NotFound`."""
    parts = checked_prefix(key).split("/")
    kind, owner = parts[0], parts[1] if len(parts) > 1 else ""
    if kind in BY_TASK:
        own_task(session, caller, owner)
    elif kind == "uploads":
        upload = session.get(Upload, owner)
        if upload is None or not (caller.is_admin or upload.user_id == caller.user_id):
            raise NotFound(f"There is no upload {owner}.")
    elif kind != "files" or not (caller.is_admin or owner == caller.user_id):
        raise NotFound(f"There is no file {key!r} of yours; keys look like videos/<task_id>/....")
    return key


def own_source(session: Session, caller: Caller, file_path: str) -> str:
    """A source that a task may read: a URL as it is, an upload or stored file of the caller's."""
    scheme, found, rest = file_path.partition("://")
    if found and scheme != "upload":
        return file_path
    own_key(session, caller, f"uploads/{rest}" if found else file_path)
    return file_path


def own_target(caller: Caller, path: str) -> str:
    """The key below the caller's `files/` that a relative `path` names."""
    key = path if path.startswith(f"files/{caller.user_id}/") else f"files/{caller.user_id}/{path}"
    if path.startswith("/"):
        raise BadInput(f"{path!r} is absolute; name a path below your own files/.")
    return checked_prefix(key)
