"""Pages of a list: a cursor names the last item of the page before, so that new items move nothing."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from datetime import datetime

from shared.errors import Invalid
from shared.messages import Sentence


class BadCursor(Invalid):
    """A page was asked for by something that no page gave."""

    def __init__(self) -> None:
        super().__init__(Sentence("error.bad_cursor"))


@dataclass(frozen=True)
class Cursor:
    """The last item of a page: what the list is ordered by, and the id that tells equal ones apart."""

    value: str
    id: str

    @classmethod
    def after(cls, value: str | datetime, item_id: str) -> Cursor:
        """Behind an item, in a list that is ordered by `value`."""
        return cls(value.isoformat() if isinstance(value, datetime) else value, item_id)

    def __str__(self) -> str:
        """Opaque, and safe in an address."""
        text = json.dumps([self.value, self.id], ensure_ascii=False)
        return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")

    @classmethod
    def parse(cls, text: str) -> Cursor:
        """From what `str` gave; `BadCursor` for anything else."""
        try:
            plain = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode()
            value, item_id = json.loads(plain)
            f"{value}{item_id}".encode()  # half a character is none
        except (ValueError, TypeError, RecursionError) as error:
            raise BadCursor from error
        if not (isinstance(value, str) and isinstance(item_id, str)):
            raise BadCursor
        return cls(value, item_id)

    @property
    def moment(self) -> datetime:
        """`value` of a list that is ordered by time."""
        try:
            found = datetime.fromisoformat(self.value)
        except ValueError as error:
            raise BadCursor from error
        if found.tzinfo is None:
            raise BadCursor
        return found
