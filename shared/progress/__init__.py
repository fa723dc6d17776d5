"""How far a step is: what engines report, and where readers see it."""
