"""What the gateway is compared with: FastAPI and SQLAlchemy, one insert, one select, nothing else.

`python -m tests.bench.bare_door DATABASE_URL PORT`. No keys, no ownership, no steps, no events, no
broker; the same web server with the same settings, the same table of tasks with its indexes, the
same JSON in and the same shape out.
"""

from __future__ import annotations

import sys

import uvicorn
from fastapi import FastAPI, HTTPException
from fastapi.responses import JSONResponse
from sqlalchemy.orm import Session

from services.api_gateway.schemas import NewTask
from shared.db.engine import open_engine
from shared.db.models import Task, User
from shared.web.answers import Accepted
from shared.web.serve import SERVER

USER = "bare"


def app(database: str) -> FastAPI:
    """The two routes, over a database that has its tables already."""
    engine = open_engine(database)
    door = FastAPI()
    with Session(engine) as session, session.begin():
        session.merge(User(id=USER, name=USER))

    @door.post("/tasks/", status_code=202)
    def submit(wish: NewTask) -> Accepted:
        with Session(engine) as session, session.begin():
            task = Task(
                user_id=USER, pipeline=wish.pipeline, options=wish.options, context=wish.options
            )
            session.add(task)
            session.flush()
            found = task.id
        return Accepted(
            task_id=found, status_url=f"/status/{found}", events_url=f"/status/{found}/events"
        )

    @door.get("/status/{task_id}")
    def status(task_id: str) -> JSONResponse:
        with Session(engine) as session:
            task = session.get(Task, task_id)
            if task is None:
                raise HTTPException(404)
            return JSONResponse({"task_id": task.id, "state": task.state, "error": task.error})

    return door


if __name__ == "__main__":
    uvicorn.run(app(sys.argv[1]), host="127.0.0.1", port=int(sys.argv[2]), **SERVER)
