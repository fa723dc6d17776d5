"""Requests made from the OpenAPI description: right ones, wrong ones, and some for what is there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode
from schemathesis.checks import CHECKS, load_all_checks
from schemathesis.core.failures import Failure, FailureGroup

from tests.shared.web.door import Door

HANGS_S = 20
load_all_checks()
FORM = CHECKS.get_by_names(["status_code_conformance", "content_type_conformance"])
CONTENT = CHECKS.get_by_names(["response_schema_conformance"])
STREAM = "text/event-stream"


@dataclass
class Thrower:
    """Throws each operation of a gateway's description at it, and says what it broke.

    Attributes:
        door: the gateway.
        keys: operation -> the API key that its requests carry.
        known: path parameter -> a value that is there, for requests that come further than 404.
        answered: status -> how often, over all requests.
    """

    door: Door
    keys: Any
    known: dict[str, str]
    answered: dict[int, int] = field(default_factory=dict)

    def operations(self) -> list[Any]:
        """Every operation of the description; those last that change what others need."""
        document = httpx.get(f"{self.door.url}/openapi.json", timeout=HANGS_S).json()
        found = schemathesis.openapi.from_dict(document).get_all_operations()
        return sorted((each.ok() for each in found), key=_late)

    def broken_by(self, operation: Any, cases: int) -> list[str]:
        """What `cases` requests of each kind broke, a line for each kind of break."""
        broken: dict[str, str] = {}
        headers = {"Authorization": f"Bearer {self.keys(operation.label)}"}

        def throw(case: Case) -> None:
            for what, line in self._thrown(case, headers):
                broken.setdefault(what, line)

        for strategy in self._kinds(operation):
            test = seed(1)(given(strategy)(throw))
            settings(
                max_examples=cases,
                deadline=None,
                database=None,
                phases=(Phase.generate,),
                suppress_health_check=list(HealthCheck),
            )(test)()
        return list(broken.values())

    def _kinds(self, operation: Any) -> Iterator[st.SearchStrategy[Case]]:
        named = {each.name for each in operation.path_parameters}
        there = {}
        yield operation.as_strategy(GenerationMode.POSITIVE)
        if named and named <= self.known.keys():
            there = {"path_parameters": {name: self.known[name] for name in named}}
            yield operation.as_strategy(GenerationMode.POSITIVE, **there)
        if operation.body or operation.query:
            yield operation.as_strategy(GenerationMode.NEGATIVE, **there)

    def _thrown(self, case: Case, headers: dict[str, str]) -> Iterator[tuple[str, str]]:
        """One request; what of its answer was never promised, and with which request."""
        answer = case.call(
            base_url=self.door.url, headers=headers, timeout=HANGS_S, allow_redirects=False
        )
        status = answer.status_code
        self.answered[status] = self.answered.get(status, 0) + 1
        if status == 500:
            yield "500", f"{case.operation.label}: {case.as_curl_command()[:600]}"
            return
        streamed = answer.headers.get("content-type", [""])[0].startswith(STREAM)
        try:
            case.validate_response(answer, checks=FORM if streamed else FORM + CONTENT)
        except FailureGroup as group:
            found: list[Any] = list(group.exceptions)
        except Failure as failure:
            found = [failure]
        else:
            return
        for failure in found:
            said = " ".join(str(failure).split())[:400]
            yield type(failure).__name__, f"{case.operation.label} {status}: {said}"


def _late(operation: Any) -> bool:
    """What is deleted is not found any more, and the stream of a task that goes on does not end."""
    return operation.method == "delete" or operation.path.endswith("/retry")
