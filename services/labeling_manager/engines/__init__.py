"""The labeling tools, by name in `table.py`; `port.py` says what every one of them can do."""
