"""Compares a learner's recording with an actor's take, and owns the catalogue of takes; it never decides who may log in."""
