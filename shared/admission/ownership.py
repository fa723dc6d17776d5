"""Which storage keys a caller may name: those of his own tasks, uploads and files."""

from __future__ import annotations

import re

from sqlalchemy import select
from sqlalchemy.orm import Session

from shared.admission.callers import Caller, own_task
from shared.db.models import Model, Task, Upload
from shared.errors import BadInput, Invalid, NotFound
from shared.flow.deletion_scope import BY_TASK
from shared.flow.states import State
from shared.messages import Sentence
from shared.redaction import without_secrets
from shared.storage.paths import checked_key, checked_prefix
from shared.storage.port import Storage

UPLOAD = "upload"
SCHEMES = ("http", "https", "s3", UPLOAD)
"""What the video processor can fetch from; said at the door, so that nobody waits to hear it."""


def own_key(session: Session, caller: Caller, key: str) -> str:
    """`key` itself, if it is the caller's; `BadInput` when it leaves its root, else `NotFound`."""
    parts = checked_prefix(key).split("/")
    kind, owner = parts[0], parts[1] if len(parts) > 1 else ""
    if kind in BY_TASK:
        own_task(session, caller, owner)
    elif kind == "uploads":
        upload = session.get(Upload, owner)
        if upload is None or not (caller.is_admin or upload.user_id == caller.user_id):
            raise NotFound(Sentence("error.no_upload", upload_id=owner))
    elif kind != "files" or not (caller.is_admin or owner == caller.user_id):
        raise NotFound(Sentence("error.no_file_of_yours", key=key))
    return key


def own_file(session: Session, storage: Storage, caller: Caller, key: str) -> str:
    """The key of a stored file or an upload, if it is the caller's and something lies there."""
    scheme, found, rest = key.partition("://")
    if found and scheme.lower() != UPLOAD:
        shown = without_secrets(key[:200])
        raise BadInput(Sentence("error.not_stored_here", key=shown))
    key = f"uploads/{rest}" if found else key
    if not storage.exists(own_key(session, caller, checked_key(key))):
        raise NotFound(Sentence("error.nothing_stored", key=key))
    return key


def own_source(session: Session, storage: Storage, caller: Caller, file_path: str) -> str:
    """A source that a task may read: a URL as it is, an upload or stored file of the caller's."""
    scheme, found, rest = file_path.partition("://")
    if not found:
        try:
            own_file(session, storage, caller, file_path)
        except BadInput as error:
            raise BadInput(Sentence("error.files_of_your_machine", why=error.args[0])) from error
        upload = file_path.removeprefix("uploads/")
        return file_path if upload == file_path else f"{UPLOAD}://{upload}"
    if scheme.lower() not in SCHEMES:
        known = ", ".join(f"{s}://" for s in SCHEMES)
        raise BadInput(Sentence("error.unknown_scheme", scheme=scheme[:20], known=known))
    if scheme.lower() == UPLOAD:
        own_file(session, storage, caller, f"uploads/{rest}")
    elif not rest.split("/", 1)[0]:
        raise BadInput(Sentence("error.no_host", url=without_secrets(file_path)))
    return file_path


def own_weights(session: Session, caller: Caller, name: str) -> str:
    """`name` itself, if training may start from it: `global`, or a registered model of the caller's.

    Weights are programs: what is not in the registry is never opened, wherever it lies.
    """
    model, _, version = name.partition("/")
    found = None
    if re.fullmatch(r"[0-9]{1,9}", version):
        query = select(Model).where(Model.name == model, Model.version == int(version))
        deleted = select(Task.id).where(Task.id == Model.task_id, Task.state == State.DELETING)
        found = session.scalar(query.where(~deleted.exists()))
    mine = found is not None and (caller.is_admin or found.user_id == caller.user_id)
    if name != "global" and not mine:
        raise Invalid(Sentence("error.no_weights", name=name))
    return name


def own_target(user_id: str, path: str) -> str:
    """The key below the user's `files/` that a relative `path` names."""
    root = f"files/{user_id}/"
    if path.startswith("/"):
        raise BadInput(Sentence("error.absolute_path", path=path))
    return checked_key(path if path.startswith(root) else root + path)
