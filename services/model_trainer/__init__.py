"""Turns labelled frames into a detector of the user's own and keeps it with its lineage.

It never labels, converts or serves: it ends with weights in the registry and honest figures. Beside
the files that every service has: `datasets` (their versions), `rounds` (further teaching), `triggers`
(what begins rounds by itself).
"""
