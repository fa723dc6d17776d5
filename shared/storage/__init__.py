"""Where the files of tasks live: one port, a folder on disk or an S3 bucket behind it."""
