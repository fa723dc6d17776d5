"""What readers see of a comparison, in their language."""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from services.audio_analyzer import problems
from services.audio_analyzer.advice import with_advice
from services.audio_analyzer.analyses import Found, subject_of
from services.audio_analyzer.analysis_schemas import ScriptAnalysis, Status, TokenAnalysis
from shared import failures
from shared.flow.ledger import latest_runs
from shared.flow.states import ENDED, State
from shared.messages import say
from shared.pipelines import atlas

STORED, ASKED, WAITING, OVER = 40, 70, 90, 100
SAID = {STORED: "analysis.stored", ASKED: "analysis.asked", WAITING: "analysis.waiting"}
BROKEN_BY = {
    "Overdue": "analysis.overdue",
    "ScorerCrashed": "analysis.crashed",
    "DeliveredTooOften": "analysis.crashed",
    "TakeNotPrepared": "analysis.unprepared",
    "NoAnswer": "analysis.unanswered",
    "ServerAway": "analysis.server_away",
    "Resting": "analysis.server_away",
}
"""What is told of failures that the mesh itself has noted, by their code."""


def reached(step_state: str, *, awaits: bool) -> int:
    """How far a comparison is whose one step is in that state; `awaits`: an answer from elsewhere."""
    if step_state == State.WAITING or (step_state == State.RUNNING and not awaits):
        return WAITING
    return ASKED if step_state in {State.QUEUED, State.RUNNING} else STORED


def awaits_answer(pipeline: str) -> bool:
    """Whether somebody outside of the mesh compares."""
    return atlas.PIPELINES[pipeline].steps[0].awaits is not None


def view(session: Session, found: Found, language: str) -> TokenAnalysis | ScriptAnalysis:
    """A comparison as it stands."""
    row, task = found
    if task.state in ENDED:
        told = ended(found, language)
    else:
        (run,) = latest_runs(session, row.job_id)
        progress = reached(run.state, awaits=awaits_answer(task.pipeline))
        told = under_way(progress, language)
    known = {"result": None, **told}
    if subject_of(row) == "token":
        return TokenAnalysis.model_validate({**known, "token_id": row.token_id})
    return ScriptAnalysis.model_validate({**known, "script_id": row.script_id})


def under_way(progress: int, language: str) -> dict[str, Any]:
    """What is told of a comparison that has not ended."""
    return {"status": "processing", "progress": progress, "message": say(SAID[progress], language)}


def ended(found: Found, language: str) -> dict[str, Any]:
    """What is told of one that has."""
    row, task = found
    status: Status = "completed" if task.state == State.SUCCEEDED else "failed"
    told: dict[str, Any] = {"status": status, "progress": OVER}
    if status == "failed":
        return told | {"message": _why(found, language)}
    key = "analysis.completed"
    if row.recognition not in {None, "Success"}:
        key = f"analysis.completed.{str(row.recognition).lower()}"
    result = with_advice(row.result, language) if row.result is not None else None
    return told | {"message": say(key, language), "result": result}


def _why(found: Found, language: str) -> str:
    row, task = found
    if task.state != State.FAILED:
        return say("analysis.cancelled", language)
    if row.problem is not None:
        return problems.said(row.problem, language)
    error = task.error or {}
    if error.get("code") in BROKEN_BY:
        return say(BROKEN_BY[error["code"]], language)
    return say("analysis.broke", language, why=failures.message_of(error))
