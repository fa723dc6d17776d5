"""How events and tasks travel: the broker on a file, and the adapters for servers."""
