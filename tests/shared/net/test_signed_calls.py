"""Signed calls: which are believed, for how long, and for whom their secret is good."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import Unauthorised
from shared.net.signed_calls import (
    ID,
    SIGNATURE,
    TIMESTAMP,
    WINDOW_S,
    check_call,
    derived_secret,
    new_secret,
    signature,
    signed_headers,
    usable,
)

BODY = b'{"status":"success"}'


def test_what_was_signed_is_believed_and_nothing_else() -> None:
    secret = new_secret()
    headers = signed_headers(secret, "job-1", BODY)
    check_call(secret, headers, BODY)
    for changed in (
        {ID: "job-2"},
        {TIMESTAMP: str(int(headers[TIMESTAMP]) + 1)},
        {SIGNATURE: headers[SIGNATURE][:-2] + "A="},
        {SIGNATURE: headers[SIGNATURE].replace("v1,", "v2,")},
    ):
        with pytest.raises(Unauthorised, match="does not fit"):
            check_call(secret, headers | changed, BODY)
    with pytest.raises(Unauthorised, match="does not fit"):
        check_call(secret, headers, BODY + b" ")
    with pytest.raises(Unauthorised, match="does not fit"):
        check_call(new_secret(), headers, BODY)


@pytest.mark.parametrize("missing", [ID, TIMESTAMP, SIGNATURE])
def test_a_call_without_one_of_the_three_is_unsigned(missing: str) -> None:
    secret = new_secret()
    headers = signed_headers(secret, "job-1", BODY)
    with pytest.raises(Unauthorised, match="no signature"):
        check_call(secret, headers | {missing: ""}, BODY)
    with pytest.raises(Unauthorised, match="no signature"):
        check_call(secret, {n: v for n, v in headers.items() if n != missing}, BODY)


@pytest.mark.parametrize("away_s", [-WINDOW_S - 5, WINDOW_S + 5])
def test_a_recorded_call_is_worth_nothing_later(away_s: int) -> None:
    secret, then = new_secret(), int(time.time()) + away_s
    signed = {ID: "j", TIMESTAMP: str(then), SIGNATURE: signature(secret, "j", then, BODY)}
    with pytest.raises(Unauthorised, match="more than 300 seconds"):
        check_call(secret, signed, BODY)


def test_one_of_several_signatures_is_enough() -> None:
    old, new = new_secret(), new_secret()
    headers = signed_headers(new, "j", BODY)
    before = signature(old, "j", int(headers[TIMESTAMP]), BODY)
    both = headers | {SIGNATURE: f"{before} {headers[SIGNATURE]}"}
    check_call(old, both, BODY)
    check_call(new, both, BODY)


def test_a_derived_secret_is_for_one_subject_and_one_purpose() -> None:
    made = derived_secret(b"root", "webhook", "job-1")
    assert made == derived_secret(b"root", "webhook", "job-1")
    assert usable(made)
    others = [
        (b"root", "webhook", "job-2"),
        (b"root", "links", "job-1"),
        (b"r", "webhook", "job-1"),
    ]
    assert made not in {derived_secret(*other) for other in others}


@pytest.mark.parametrize(
    "secret", ["", "whsec_", "whsec_c2hvcnQ=", "whsec_!!!!", "plain text", "whsec_ü"]
)
def test_what_is_no_secret_of_the_standard_is_told_apart(secret: str) -> None:
    assert not usable(secret)
    assert usable(new_secret())


@given(st.dictionaries(st.sampled_from([ID, TIMESTAMP, SIGNATURE]), st.text()), st.binary())
def test_whatever_is_sent_is_refused_in_words(headers: dict[str, str], body: bytes) -> None:
    with pytest.raises(Unauthorised):
        check_call("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", headers, body)
