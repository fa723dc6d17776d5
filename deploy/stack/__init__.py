"""The mesh in containers: starting it, and keeping its parts in agreement."""
