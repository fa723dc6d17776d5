"""`actverse doctor`: what may be wrong with this machine, its servers and its mesh, and what mends it."""
