"""The ways a message leaves, by name in `table.py`; `port.py` says what each of them can do."""
