"""Comparisons by an analysis server elsewhere: what it is told, and how it is asked.

It gets addresses that open the two files for an hour, the address of our webhook, and a secret for
this one comparison that its answer has to be signed with. Nobody keeps that secret: it is derived from
the one that signs the addresses, so any gateway can check the answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, NamedTuple

import httpx
import structlog

from services.audio_analyzer import analyses, repository
from services.audio_analyzer.remote_errors import (
    NoAnalysisServer,
    NoLinkSecret,
    NoPublicUrl,
    ServerAway,
    ServerKeyUnknown,
    ServerRefused,
)
from services.audio_analyzer.remote_schemas import RemoteJob
from shared.net.address import spoken
from shared.net.answers import LATER, retry_after_s, words_of
from shared.net.breaker import Breaker
from shared.net.signed_calls import derived_secret
from shared.net.signed_links import AUDIO, kept_secret, link_path
from shared.pipelines.dsl import Pipeline
from shared.pipelines.speech import AUDIO_ANALYSIS, REMOTE_AUDIO_ANALYSIS
from shared.platform import Platform
from shared.setting_groups.speech import SpeechSettings
from shared.settings import Settings, revealed

PURPOSE = "actverse analysis webhook v1"
MAX_READ = 4096  # bytes of a refusal
PATHS = {"token": "/analyze-voice", "script": "/analyze-script"}
log = structlog.get_logger()
breaker_of = cache(Breaker)  # one a server and process


def pipeline_for(settings: Settings) -> Pipeline:
    """Who compares, by the settings: this mesh, or an analysis server elsewhere."""
    return REMOTE_AUDIO_ANALYSIS if settings.speech.analysis_server else AUDIO_ANALYSIS


def link_secret(settings: Settings) -> bytes:
    """What signs addresses of audio; raises `NoLinkSecret` where it cannot be the same for all."""
    configured = revealed(settings.speech.link_secret)
    if not configured and not settings.storage_url.startswith("file:"):
        raise NoLinkSecret
    return kept_secret(configured, settings.data_dir, AUDIO)


def webhook_secret(settings: Settings, job_id: str) -> str:
    """What the answer about this job, and about no other, is signed with."""
    return derived_secret(link_secret(settings), PURPOSE, job_id)


def ask(platform: Platform, job: RemoteJob, attempt: int) -> RemoteJob:
    """Have the server compare; its answer comes to the webhook.

    Asked twice for the same attempt it does so once (Idempotency-Key). Raises `ServerAway` and
    `Resting`, after which it is asked again, else what it says.
    """
    speech = platform.settings.speech
    server = speech.analysis_server.rstrip("/")
    if not server:
        raise NoAnalysisServer
    body = _request(platform, job)
    headers = {"Idempotency-Key": key_of(job.task_id, attempt)}
    with breaker_of(spoken(server)).asking():
        _post(f"{server}{PATHS[job.subject]}", speech, headers=headers, json=body)
    log.info("audio_analyzer.remote.asked", server=spoken(server), attempt=attempt)
    return job.having(server=spoken(server))


def key_of(job_id: str, attempt: int) -> str:
    """By what the server knows this attempt."""
    return f"{job_id}.{attempt}"


def _request(platform: Platform, job: RemoteJob) -> dict[str, Any]:
    settings = platform.settings
    gateway = settings.gateway.public_url.rstrip("/")
    if not gateway:
        raise NoPublicUrl
    with platform.reads() as session:
        line = analyses.comparable_line(session, job.subject, job.subject_id)
        words = [] if job.subject == "token" else repository.words_of(session, line.id)
    hook = f"{gateway}/{job.subject}s/webhook/analysis-complete?job_id={job.task_id}"
    told: dict[str, Any] = {
        "job_id": job.task_id,
        "audio_url": _address(platform, gateway, job.recording_key),
        "reference_url": _address(platform, gateway, str(line.audio_key)),
        "text": line.text,
        "webhook_url": hook,
        "webhook_secret": webhook_secret(settings, job.task_id),
    }
    if words:
        told["words"] = [{"text": w.text, "start_s": w.start_s, "end_s": w.end_s} for w in words]
    return told


def _address(platform: Platform, gateway: str, key: str) -> str:
    """Where whoever has the address gets the file: from the storage itself, or from the gateway."""
    life_s = platform.settings.speech.link_s
    link = platform.storage.link(key, life_s)
    return link or gateway + link_path(link_secret(platform.settings), key, life_s, AUDIO)


def _post(url: str, speech: SpeechSettings, **more: Any) -> None:
    answer = call("POST", url, speech, MAX_READ, **more)
    if httpx.codes.is_success(answer.status):
        return
    if answer.status in {httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN}:
        raise ServerKeyUnknown(spoken(url), answer.status)
    raise ServerRefused(spoken(url), answer.status, words_of(answer.said))


class Answer(NamedTuple):
    """What a server says."""

    status: int
    said: bytes  # the beginning of it; nothing of what follows is read


def call(
    method: str,
    url: str,
    speech: SpeechSettings,
    most: int,
    headers: Mapping[str, str] | None = None,
    **more: Any,
) -> Answer:
    """Ask the analysis server, with our key; redirects are not followed, or others would get it.

    At most `most` bytes are read, and of a success only those of a GET. Raises `ServerAway` where
    it does not answer, or says that it cannot now.
    """
    where, own = spoken(url), dict(headers or {})
    if key := revealed(speech.analysis_key):
        own["Authorization"] = f"Bearer {key}"
    try:
        with (
            httpx.Client(timeout=speech.analysis_timeout_s) as client,
            client.stream(method, url, headers=own, **more) as response,
        ):
            wanted = method == "GET" or not response.is_success
            said = _beginning(response, most) if wanted else b""  # of an answer without end, too
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise ServerAway(where, str(error) or type(error).__name__) from error
    status = response.status_code
    if status in LATER or status >= httpx.codes.INTERNAL_SERVER_ERROR:
        raise ServerAway(where, f"HTTP {status}", retry_after_s(response))
    return Answer(status, said)


def _beginning(response: httpx.Response, most: int) -> bytes:
    said = b""
    for piece in response.iter_bytes(MAX_READ):
        said += piece
        if len(said) >= most:
            break
    return said[:most]
