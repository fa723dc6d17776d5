"""The groups of the settings, by topic; `shared/settings.py` puts them together."""
