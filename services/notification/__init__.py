"""Tells people what became of their tasks: log, e-mail, Slack, webhooks.

Reacts to facts of every pipeline and runs no pipeline work. A message that cannot be delivered is
tried again and then given up; it never holds a task.
"""
