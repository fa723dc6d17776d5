"""The door: REST, accounts, task status, live events, uploads. It runs no pipeline work.

Beside the files that every service has: `accounts` (who logs in), `attempts` (how often somebody may
try), `departure` (who leaves); `submission` (what becomes of `POST /tasks/`), `stream` and `live` (what
watchers of a task see), `health`.
"""
