"""Brings a video in and makes it countable: download, check, normalise, take frames, upload.

It owns videos/ and frames/. It never labels, trains or analyses, and it trusts no file: what a video
is, is found by decoding it.
"""
