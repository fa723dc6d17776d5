"""Gives frames to whoever labels them, watches until they are done, and fetches the labels.

Owns the labelings of the tasks and the folder `labels/{task_id}/`. It never changes a label that
a person made, and never trains. Beside the files that every service has: `drafts` (frames in the
built-in labeler) and `imports` (labels that were made elsewhere).
"""
