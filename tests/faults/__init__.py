"""Servers, processes and connections die in the middle of work; afterwards somebody counts.

`make faults` runs the full storms on both wirings and prints what they came to.
"""
