"""The sentences of `shared/messages.py` that errors say, by what they are about; key -> {"en", "ko"}."""
