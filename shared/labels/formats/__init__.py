"""Labels of other tools: read and written by name in `table.py`, each format in its own file."""
