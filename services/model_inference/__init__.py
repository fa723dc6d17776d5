"""Analyses videos with deployed models: boxes and identities to csv, json, chunks and an overlay.

It owns `inference_results/` and talks to a model only through the model server; it never trains,
converts or loads one.
"""
