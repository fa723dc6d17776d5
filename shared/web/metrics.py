"""`GET /metrics`: what Prometheus reads where it reaches no port but the gateway's."""

from __future__ import annotations

from fastapi import APIRouter, FastAPI, Request, Response

from shared.admission.callers import Caller
from shared.errors import Forbidden
from shared.flow.state_figures import StateFigures
from shared.messages import Sentence
from shared.platform import Platform
from shared.telemetry import exporter
from shared.web.access import InPlatform
from shared.web.observed import METRICS

TEXT = "text/plain; version=0.0.4; charset=utf-8"
router = APIRouter()


def _states(app: FastAPI, platform: Platform) -> StateFigures:
    if not hasattr(app.state, "state_figures"):
        app.state.state_figures = StateFigures(platform)
    figures: StateFigures = app.state.state_figures
    return figures


@router.get(METRICS, include_in_schema=False)
def metrics(request: Request, platform: InPlatform) -> Response:
    """The figures of this process, of those that share its folder, and the states of the mesh.

    For admins, and for who has `metrics.token`: the gate lets that one in without a user.
    """
    caller: Caller | None = getattr(request.state, "caller", None)
    if caller is not None and not caller.is_admin:
        raise Forbidden(Sentence("error.figures_for_admins"))
    return Response(
        exporter.present().text(_states(request.app, platform)), headers={"Content-Type": TEXT}
    )
