"""What a labeling tool may call: it hastens the next look at a labeling, and decides nothing.

Tools have no event "all frames are done", and lose calls; the monitor asks every few seconds
anyway. So a call carries no data that anybody believes, only the name of a labeling.
"""

from __future__ import annotations

import hmac
from typing import Annotated

from fastapi import APIRouter, Header, Query, Response

from services.labeling_manager import repository
from shared.errors import Unauthorised
from shared.settings import revealed
from shared.web.access import InPlatform
from shared.web.openapi import responses

EXPIRES_S = 30  # a look that nobody took by then has been overtaken by the poll
router = APIRouter(prefix="/webhook")


@router.post("/label-studio", status_code=202, responses=responses(401))
def label_studio_changed(
    platform: InPlatform,
    task_id: Annotated[str, Query(max_length=64, description="Whose labeling it is")],
    x_actverse_webhook_secret: Annotated[str, Header(max_length=1024)] = "",
) -> Response:
    """Label Studio says that somebody annotated; look now. Needs the secret of the settings."""
    secret = revealed(platform.settings.labeling.label_studio_webhook_secret)
    if not secret or not hmac.compare_digest(
        secret.encode(), x_actverse_webhook_secret.encode(errors="replace")
    ):
        raise Unauthorised("This call does not carry the secret of this mesh's webhook.")
    with platform.reads() as session:
        watched = repository.is_open(session, task_id)
    if watched:
        platform.celery.send_task(
            "labeling_manager.watch_labelings",
            queue="labeling_manager",
            expires=EXPIRES_S,
            ignore_result=True,
        )
    return Response(status_code=202)
