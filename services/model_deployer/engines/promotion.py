"""Whether a new version takes the place of the current one, and why, in a sentence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shared.events.learning_settings import PromotionSettings


@dataclass(frozen=True)
class Verdict:
    """What becomes of a new version."""

    promoted: bool
    reason: str


def judge(
    metrics: Mapping[str, Any],
    settings: PromotionSettings,
    *,
    version: str,
    current: str | None,
) -> Verdict:
    """The verdict on `version` (`<model>/<number>`) against the version that is current.

    The first version of a model has nothing to beat. A later one is promoted when the comparison on
    the frozen validation frames says that it is better by the margin with the confidence, and when
    none of those frames is near a training frame; everything that is missing counts against it.
    """
    leakage = float(metrics.get("leakage") or 0.0)
    if current is None:
        return Verdict(
            True, " ".join(["The first version has nothing to beat.", *_doubts(metrics)])
        )
    comparison = metrics.get("comparison") or {}
    if not comparison:
        return Verdict(
            False,
            f"{version} waits: it was not compared with {current}. Promote it by hand if you like.",
        )
    told = str(comparison.get("sentence") or "").strip()
    against = _against(comparison)
    if against not in (None, current):
        return Verdict(
            False,
            f"{version} waits: it was compared with {against}, but {current} is current now. "
            f"{told}".strip(),
        )
    if leakage > 0:
        return Verdict(
            False,
            f"{version} waits: {leakage:.0%} of the validation frames lie near training frames, so "
            f"its figures flatter it. {told}".strip(),
        )
    if not _better(comparison, settings):
        return Verdict(
            False,
            f"{version} waits: it is not better than {current} by {settings.margin:g} mAP50-95 with "
            f"a confidence of {settings.confidence:.0%}. {told}".strip(),
        )
    if not settings.automatic:
        return Verdict(
            False,
            f"{version} is better than {current} and waits to be promoted by hand. {told}".strip(),
        )
    return Verdict(True, f"{version} is better than {current}. {told}".strip())


def _doubts(metrics: Mapping[str, Any]) -> list[str]:
    """What a user should know of a first version, in sentences."""
    doubts = []
    own, other = (
        (metrics.get(name) or {}).get("map50_95") for name in ("user_any_class", "global_any_class")
    )
    if own is not None and other is not None and other > own:
        doubts.append(
            f"The global model is better on the validation frames (mAP50-95 {other:.3f} against "
            f"{own:.3f}): label more frames before you rely on this one."
        )
    leakage = float(metrics.get("leakage") or 0.0)
    if leakage > 0:
        doubts.append(
            f"{leakage:.0%} of the validation frames lie near training frames, so its figures "
            "flatter it."
        )
    return doubts


def _against(comparison: Mapping[str, Any]) -> str | None:
    """Whom the new version was compared with, `<model>/<number>`, where that is told."""
    for name in ("against", "current", "current_model"):
        told = comparison.get(name)
        if isinstance(told, str) and "/" in told:
            return told
    return None


def _better(comparison: Mapping[str, Any], settings: PromotionSettings) -> bool:
    """Whether `better` holds, and the figures reach what the settings ask for where they are told."""
    figures = {**_plain(comparison.get("figures")), **_plain(comparison)}
    difference, share = figures.get("difference"), figures.get("share_better")
    if difference is not None and not difference >= settings.margin:
        return False
    if share is not None and not share >= settings.confidence:
        return False
    return comparison.get("better") is True


def _plain(values: Any) -> dict[str, float]:
    """The numbers of `values` by name; other values are left out."""
    if not isinstance(values, Mapping):
        return {}
    return {
        str(name): float(value)
        for name, value in values.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    }
