"""Private, real servers for tests and benches: RabbitMQ, PostgreSQL, Redis, and an S3 server.

Each is a class with the same verbs (`start`, `stop`, `kill`, `restart`, `pause`, `resume`), on free
ports of loopback and in a folder of its own; none outlives the process that started it.
"""
