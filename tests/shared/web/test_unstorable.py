"""What PostgreSQL cannot hold is the caller's mistake, and no failure of ours."""

from __future__ import annotations

from pathlib import Path

from tests.shared.web.door import Door

URL = "https://example.org/a.mp4"


def test_texts_with_a_zero_character(postgres_url: str, tmp_path: Path) -> None:
    with Door.opened(tmp_path, database=postgres_url) as door, door.client() as admin:
        paths = (
            "/tasks/%00",
            "/status/%00",
            "/tasks/%00/rounds",
            "/models/%00/versions",
            "/labeling/%00/board?tab=4f7b8c1d9e",
            "/datasets/%00",
            "/tasks/?user_id=%00",
        )
        answers = {path: admin.get(path) for path in paths}
        answers["cancel"] = admin.post("/tasks/%00/cancel")
        answers["user"] = admin.post("/tasks/", json={"file_path": URL, "user_id": "\0"})
        training = {"file_path": URL, "options": {"training": {"weights": "task-\0/1"}}}
        answers["weights"] = admin.post("/tasks/", json=training)
        assert {what: answer.status_code for what, answer in answers.items()} == dict.fromkeys(
            answers, 422
        )
        assert all("zero character" in each.json()["detail"] for each in answers.values())
        assert admin.get("/tasks/").json()["items"] == []
