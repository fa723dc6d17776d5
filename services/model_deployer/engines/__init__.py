"""Conversion, parity gate and the global model; `port.py` names the exporters, each loads lazily."""
