"""Data set, training, evaluation and registry; `port.py` names the engines, each loads lazily."""
