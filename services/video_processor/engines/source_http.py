"""Videos from the web: streamed, resumed by range, never from an inner address."""

from __future__ import annotations

import re
from pathlib import Path

import httpx

from services.video_processor.engines.part_file import Origin, PartFile, key_of
from services.video_processor.engines.port import SourceInfo, SourceSettings
from shared.errors import BadInput, Forbidden, MediaRejected, NotFound, Retryable
from shared.net.address import spoken
from shared.net.answers import retry_after_s
from shared.net.guard import explained_http, guarded_client
from shared.progress.report import Report

PAGES = ("text/html", "application/xhtml+xml", "application/json")


class HttpSource:
    """http:// and https://."""

    def __init__(self, settings: SourceSettings) -> None:
        self._settings = settings

    def fetch(self, url: str, target: Path, *, max_bytes: int, report: Report) -> SourceInfo:
        """See `Source.fetch`; a connection that breaks after new bytes is continued at once."""
        s = self._settings
        client = guarded_client(
            s.net_allow,
            timeout_s=s.stall_s,
            connect_timeout_s=s.connect_s,
            max_redirects=s.max_redirects,
        )
        with client, PartFile(target, url, max_bytes=max_bytes, report=report) as part:
            resumes = 0
            while not part.complete:
                before = part.offset
                try:
                    self._attempt(client, url, part)
                    break
                except httpx.HTTPError as error:
                    resumes += 1
                    continues = part.origin.validator and part.offset > before
                    if not continues or resumes > s.resumes or not _broken(error):
                        raise explained_http(error, url) from error
            return part.finish()

    def _attempt(self, client: httpx.Client, url: str, part: PartFile) -> None:
        """One request; returns when the whole file is here."""
        headers = {"Accept-Encoding": "identity", "Accept": "video/*, */*;q=0.5"}
        if part.offset and part.origin.validator:
            headers |= {"Range": f"bytes={part.offset}-", "If-Range": part.origin.validator}
        with client.stream("GET", url, headers=headers) as response:
            if response.status_code == 416:
                # The file is shorter now than what is here: another file. Start again.
                part.restart()
                raise httpx.ReadError("the server has another file now", request=response.request)
            _check(response, url)
            origin, keep = _origin(response, url, part)
            part.begin(origin, keep=keep)
            for chunk in response.iter_raw():
                if part.offset == 0:
                    _check_start(chunk, url)
                part.write(chunk)
        if origin.total is not None and part.offset != origin.total:
            raise httpx.ReadError(f"{part.offset} of {origin.total} bytes arrived")


def _broken(error: httpx.HTTPError) -> bool:
    """True for a connection that was cut, which a new one may continue; a stall is not."""
    return isinstance(error, httpx.NetworkError | httpx.RemoteProtocolError)


def _origin(response: httpx.Response, url: str, part: PartFile) -> tuple[Origin, bool]:
    """Which file this is, and whether the answer continues the part."""
    headers = response.headers
    length = headers.get("Content-Length", "")
    total = int(length) if length.isdigit() else None
    keep = response.status_code == 206
    if keep:
        found = re.fullmatch(
            r"bytes (\d+)-(\d+)/(\d+|\*)", headers.get("Content-Range", "").strip()
        )
        if not found or int(found.group(1)) != part.offset:
            part.restart()
            raise Retryable(f"{spoken(url)} answered with another range than asked for.")
        total = int(found.group(3)) if found.group(3) != "*" else None
    return Origin(
        key=key_of(url),
        etag=headers.get("ETag"),
        last_modified=headers.get("Last-Modified"),
        total=total,
        content_type=headers.get("Content-Type"),
    ), keep


def _check(response: httpx.Response, url: str) -> None:
    where, status = spoken(url), response.status_code
    if status in (404, 410):
        raise NotFound(
            f"{where} does not exist (HTTP {status}). Check the address, or whether the link has expired."
        )
    if status in (401, 403, 407):
        raise Forbidden(
            f"{where} does not let us in (HTTP {status}). Make it public, or use a signed link that is still valid."
        )
    if status in (408, 425, 429) or status >= 500:
        raise Retryable(
            f"{where} is busy or broken just now (HTTP {status}).",
            retry_after_s=retry_after_s(response),
        )
    if status not in (200, 206):
        raise BadInput(
            f"{where} answered HTTP {status} instead of a file. Check the address in a browser."
        )
    kind = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if kind in PAGES:
        raise _page(where, kind)
    encoding = response.headers.get("Content-Encoding", "identity").lower()
    if encoding not in ("", "identity"):
        raise MediaRejected(
            f"{where} sends the file packed as {encoding} although asked for the plain file."
        )


def _check_start(chunk: bytes, url: str) -> None:
    """Some servers call their login page application/octet-stream."""
    if re.match(rb"(\xef\xbb\xbf)?\s*<(!doctype\s+html|html|head)\b", chunk[:512], re.IGNORECASE):
        raise _page(spoken(url), "text/html")


def _page(where: str, kind: str) -> MediaRejected:
    return MediaRejected(
        f"{where} leads to a web page ({kind}), not to a video file. Use the direct link of the file: "
        "share pages and login pages do not work."
    )
