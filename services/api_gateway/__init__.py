"""The door: REST, accounts, task status, live events, uploads. It runs no pipeline work."""
