"""What CVAT may call: it hastens the next look at the open labelings, and decides nothing.

The call is signed (HMAC-SHA256 of its body, header X-Signature-256); nothing in the body is read.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Annotated

from fastapi import APIRouter, Header, Request, Response

from services.labeling_manager.webhook_api import EXPIRES_S
from shared.errors import Unauthorised
from shared.settings import revealed
from shared.web.access import InPlatform
from shared.web.openapi import responses

router = APIRouter(prefix="/webhook")


def signed(secret: str | None, body: bytes, signature: str) -> bool:
    """Whether `signature` is ``sha256=<hex>`` of `body` with `secret`; never without a secret."""
    if not secret:
        return False
    made = "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return hmac.compare_digest(made.encode(), signature.strip().lower().encode(errors="replace"))


@router.post("/cvat", status_code=202, responses=responses(401, 413))
async def cvat_changed(
    request: Request,
    platform: InPlatform,
    x_signature_256: Annotated[str, Header(max_length=1024)] = "",
) -> Response:
    """CVAT says that a job changed; look now. Needs the signature of the settings' secret."""
    secret = revealed(platform.settings.labeling.cvat_webhook_secret)
    if not signed(secret, await request.body(), x_signature_256):
        raise Unauthorised("This call is not signed with the secret of this mesh's webhook.")
    platform.celery.send_task(
        "labeling_manager.watch_labelings",
        queue="labeling_manager",
        expires=EXPIRES_S,
        ignore_result=True,
    )
    return Response(status_code=202)
