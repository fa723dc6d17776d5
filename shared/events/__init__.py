"""The vocabulary of the mesh: one class per event, its name and its payload."""
