"""The embedded mesh: its launcher, its Triton server and the demonstration."""
