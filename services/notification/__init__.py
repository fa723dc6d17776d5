"""Tells people what became of their tasks: log, e-mail, Slack, webhooks.

Reacts to facts of every pipeline and runs no pipeline work. A message that cannot be delivered is
tried again and then given up; it never holds a task. Beside the files that every service has: `news`
(which event is which, and for whom), `templates` (what is said), `deliveries` (what is due), `sender`
(who sends it), `webhooks` (one signed call), `trials` (whether an address works).
"""
