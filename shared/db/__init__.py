"""The truth about every task: tables, sessions, migrations. The same models on SQLite and PostgreSQL."""
