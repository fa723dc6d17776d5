"""Which labeling tools this mesh can reach: asked before work begins that would wait for one in vain."""

from __future__ import annotations

from urllib.parse import urlsplit

from shared.errors import Invalid
from shared.messages import Sentence
from shared.setting_groups.teaching import LabelingSettings
from shared.settings import revealed

WEB = frozenset({"http", "https"})


class LabelerNotConnected(Invalid):
    """A task names a labeling tool that the settings know no address or no account of."""

    def __init__(self, labeler: str, why: Sentence) -> None:
        super().__init__(Sentence("error.labeler_not_connected", labeler=labeler, why=why))


def has_label_studio(settings: LabelingSettings) -> bool:
    """Whether the operator has connected a Label Studio; nobody asks whether it answers."""
    reached = urlsplit(settings.label_studio_url).scheme in WEB
    return reached and bool(revealed(settings.label_studio_token))


def has_cvat(settings: LabelingSettings) -> bool:
    """The same of CVAT, by a token or by a user with a password."""
    user, _, password = (revealed(settings.cvat_login) or "").partition(":")
    account = bool(revealed(settings.cvat_token)) or bool(user and password)
    return account and urlsplit(settings.cvat_url).scheme in WEB


def connected_labeler(settings: LabelingSettings, labeler: str) -> str:
    """`labeler` itself, if work can begin with it; what needs no other server always can.

    Raises `LabelerNotConnected`, which names the settings to set.
    """
    if labeler == "label_studio" and not has_label_studio(settings):
        raise LabelerNotConnected(labeler, Sentence("error.label_studio_not_connected"))
    if labeler == "cvat" and not has_cvat(settings):
        raise LabelerNotConnected(labeler, Sentence("error.cvat_not_connected"))
    return labeler
