"""Turns the map into running Celery canvases; nobody edits it to add a feature."""
