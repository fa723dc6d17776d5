"""How busy the machine is decides nothing about a detector."""

from __future__ import annotations

import itertools
import time

from services.model_trainer.engines.ultralytics_setup import prepare_ultralytics


def test_the_boxes_of_every_image_are_judged_however_long_it_takes(tmp_path, monkeypatch):
    for _ in range(2):  # twice does no harm
        prepare_ultralytics(tmp_path)
    import torch
    from ultralytics.utils import nms

    box = torch.tensor([[50.0], [50.0], [20.0], [20.0], [0.9]])  # x, y, w, h, confidence
    hours = itertools.count(0, 3600)
    monkeypatch.setattr(time, "time", lambda: float(next(hours)))
    found = nms.non_max_suppression(box.expand(3, 5, 1), 0.25, 0.7)
    assert [len(each) for each in found] == [1, 1, 1]
