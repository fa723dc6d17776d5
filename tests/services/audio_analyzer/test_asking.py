"""What an analysis server is told, what may go wrong with it, and what its addresses open."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from services.audio_analyzer import remote
from services.audio_analyzer.remote_errors import (
    NoAnalysisServer,
    NoLinkSecret,
    NoPublicUrl,
    ServerAway,
    ServerKeyUnknown,
    ServerRefused,
)
from services.audio_analyzer.remote_schemas import RemoteJob
from shared.net.breaker import Resting
from shared.net.signed_calls import check_call, new_secret, signed_headers
from shared.pipelines.speech import AUDIO_ANALYSIS, REMOTE_AUDIO_ANALYSIS
from shared.settings import Settings
from tests.servers.ports import free_port
from tests.services.audio_analyzer.questions import TEXT, Questions, questions_at
from tests.services.notification.receiver import Receiver, receiving

KEY = "av_of_this_mesh_at_the_server"


@dataclass
class Asking:
    """A door, a server that it asks, and a job."""

    questions: Questions
    server: Receiver

    def ask(self, path: str = "", *, attempt: int = 1, subject: Any = "token") -> str:
        """Ask about a new recording at this path of the server; the job."""
        job_id = self.questions.asked(subject)
        platform = self.questions.platform
        platform.settings.speech.analysis_server = self.server.url + path
        _, row = self.questions.rows(job_id)
        line_id = row.token_id or row.script_id
        job = RemoteJob(
            task_id=job_id,
            user_id=row.user_id,
            subject=subject,
            subject_id=str(line_id),
            recording_key=row.recording_key,
            recording_sha256=row.recording_sha256,
        )
        done = remote.ask(platform, job, attempt)
        assert done.server == self.server.url + path
        return job_id


@pytest.fixture
def asking(made: Questions) -> Iterator[Asking]:
    with receiving() as server:
        yield Asking(made, server)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Questions]:
    port = free_port()
    settings = {
        "gateway": {"port": port, "public_url": f"http://127.0.0.1:{port}/"},
        "speech": {"analysis_server": "http://127.0.0.1:9", "analysis_key": KEY},
    }
    with questions_at(tmp_path_factory.mktemp("data"), port=port, **settings) as found:
        yield found


# --- what it is told ------------------------------------------------------------------------------


def test_the_setting_says_who_compares() -> None:
    assert remote.pipeline_for(Settings()) is AUDIO_ANALYSIS
    elsewhere = Settings(speech={"analysis_server": "https://speech.example"})
    assert remote.pipeline_for(elsewhere) is REMOTE_AUDIO_ANALYSIS


def test_the_server_gets_addresses_the_text_and_a_secret_of_this_job_alone(asking: Asking) -> None:
    job_id = asking.ask(attempt=3)
    (call,) = asking.server.at("/analyze-voice")
    assert call.headers["authorization"] == f"Bearer {KEY}"
    assert call.headers["idempotency-key"] == f"{job_id}.3"
    told = call.json
    assert (told["job_id"], told["text"]) == (job_id, TEXT)
    door = asking.questions.door.url
    assert told["webhook_url"] == f"{door}/tokens/webhook/analysis-complete?job_id={job_id}"
    body = b'{"status":"failed","message":"no"}'
    headers = signed_headers(told["webhook_secret"], "c", body)
    check_call(told["webhook_secret"], headers, body)
    asking.questions.door.begin(job_id)
    asking.questions.door.succeed(job_id, server="x")
    assert asking.questions.call(job_id, body, headers).status_code == 204
    asking.ask(subject="script")
    (other,) = asking.server.at("/analyze-script")
    assert other.json["webhook_secret"] != told["webhook_secret"]
    assert "/scripts/webhook/" in other.json["webhook_url"]


def test_the_addresses_open_the_two_files_in_parts_and_no_other(asking: Asking) -> None:
    job_id = asking.ask()
    told = asking.server.calls[0].json
    recording, take = told["audio_url"], told["reference_url"]
    nobody = asking.questions.nobody
    whole = nobody.get(recording)
    assert (whole.status_code, whole.content) == (200, b"what ann said")
    assert whole.headers["content-type"] == "audio/wav"
    assert whole.headers["x-content-type-options"] == "nosniff"
    assert "no-store" in whole.headers["cache-control"]
    part = nobody.get(take, headers={"Range": "bytes=2-5"})
    assert (part.status_code, part.content) == (206, b"take")
    assert nobody.head(recording).headers["content-length"] == "13"
    assert nobody.get(take, headers={"Range": "bytes=99-"}).status_code == 416
    path = urlsplit(recording).path
    token = path.split("/")[2]
    for forged in (
        path.replace(job_id, "another"),
        f"/audio/{token}/catalogue/tokens/x/take.wav",
        f"/audio/{token[:-1]}{'0' if token[-1] != '0' else '1'}/{path.split('/', 3)[3]}",
        "/audio/0-x/api_key",
    ):
        refused = nobody.get(forged)
        assert refused.status_code == 403, forged
        assert refused.json()["detail"] == "This address of audio is not signed by this mesh."
    asking.questions.platform.storage.delete(f"inputs/{job_id}")
    assert nobody.get(recording).status_code == 404


# --- what may go wrong ----------------------------------------------------------------------------


def test_a_busy_server_is_asked_again_when_it_says(asking: Asking) -> None:
    asking.server.answers("/busy/analyze-voice", 503, Retry_After="7")
    with pytest.raises(ServerAway, match="HTTP 503") as told:
        asking.ask("/busy")
    assert told.value.retry_after_s == 7


@pytest.mark.parametrize("status", [401, 403])
def test_a_server_that_does_not_know_our_key_says_so_to_the_operator(
    asking: Asking, status: int
) -> None:
    asking.server.answers("/shut/analyze-voice", status)
    with pytest.raises(ServerKeyUnknown, match="ACTVERSE_SPEECH__ANALYSIS_KEY"):
        asking.ask("/shut")


def test_a_refusal_is_repeated_in_its_words(asking: Asking) -> None:
    asking.server.answers("/no/analyze-voice", 422, body=b"the text is\nin no language\x00 I know")
    with pytest.raises(ServerRefused, match="the text is in no language I know"):
        asking.ask("/no")


def test_a_redirect_is_not_followed_with_our_key(asking: Asking) -> None:
    to = f"{asking.server.url}/elsewhere"
    asking.server.answers("/moved/analyze-voice", 307, Location=to)
    with pytest.raises(ServerRefused, match="HTTP 307"):
        asking.ask("/moved")
    assert asking.server.at("/elsewhere") == []


def test_a_server_that_hangs_or_is_gone_is_away(asking: Asking) -> None:
    speech = asking.questions.platform.settings.speech
    before, speech.analysis_timeout_s = speech.analysis_timeout_s, 0.2
    asking.server.hangs("/hangs/analyze-voice")
    with pytest.raises(ServerAway, match="does not answer"):
        asking.ask("/hangs")
    speech.analysis_timeout_s = before
    asking.server.url = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(ServerAway, match="does not answer"):
        asking.ask()


def test_a_server_that_keeps_failing_is_left_in_peace(asking: Asking) -> None:
    asking.server.answers("/broken/analyze-voice", 500)
    for _ in range(5):
        with pytest.raises(ServerAway):
            asking.ask("/broken")
    with pytest.raises(Resting, match="5 times in a row") as told:
        asking.ask("/broken")
    assert len(asking.server.at("/broken/analyze-voice")) == 5
    assert 0 < told.value.retry_after_s <= 30


def test_without_a_public_address_nobody_could_answer(asking: Asking) -> None:
    gateway = asking.questions.platform.settings.gateway
    before, gateway.public_url = gateway.public_url, ""
    try:
        with pytest.raises(NoPublicUrl, match="ACTVERSE_GATEWAY__PUBLIC_URL"):
            asking.ask()
    finally:
        gateway.public_url = before
    assert asking.server.calls == []


def test_a_server_that_was_taken_out_of_the_settings_is_not_asked(made: Questions) -> None:
    job_id = made.asked()
    made.platform.settings.speech.analysis_server = ""
    _, row = made.rows(job_id)
    known = {"subject": "token", "subject_id": row.token_id, "recording_sha256": "1" * 64}
    job = RemoteJob(task_id=job_id, user_id="u", recording_key=row.recording_key, **known)
    with pytest.raises(NoAnalysisServer, match="Send the recording again"):
        remote.ask(made.platform, job, 1)


def test_machines_without_a_common_folder_need_a_configured_secret() -> None:
    with pytest.raises(NoLinkSecret, match="ACTVERSE_SPEECH__LINK_SECRET"):
        remote.link_secret(Settings(storage="s3://bucket"))
    told = Settings(storage="s3://bucket", speech={"link_secret": "long and random"})
    assert remote.link_secret(told) == b"long and random"


def test_a_mesh_that_can_have_asked_nobody_believes_nobody(
    made: Questions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(made.platform.settings, "storage", "s3://bucket")
    body = b'{"status":"failed","message":"no"}'
    headers = signed_headers(new_secret(), "c", body)
    assert made.call("job", body, headers).status_code == 401
    assert made.nobody.get("/audio/1-x/inputs/job/recording.wav").status_code == 403


def test_no_secret_is_in_the_log(asking: Asking, capsys: pytest.CaptureFixture[str]) -> None:
    asking.ask()
    told = asking.server.calls[0].json
    logged = capsys.readouterr()
    for secret in (KEY, told["webhook_secret"], urlsplit(told["audio_url"]).path.split("/")[2]):
        assert secret not in logged.out + logged.err


def test_the_storage_itself_opens_what_it_can(
    asking: Asking, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With S3 the server fetches there, and our gateway carries no audio."""
    storage = asking.questions.platform.storage
    monkeypatch.setattr(
        storage, "link", lambda key, expires_s: f"https://bucket.example/{key}?for={expires_s}"
    )
    job_id = asking.ask()
    told = asking.server.calls[0].json
    where = httpx.URL(told["audio_url"])
    assert (where.host, where.params["for"]) == ("bucket.example", "3600")
    assert where.path == f"/inputs/{job_id}/recording.wav"
