"""The map: which step follows which event. These files are the router."""
