"""Turns registered weights into a served model: ONNX, parity gate, model repository, load, unload.

It is the only writer of `triton_models/`. It never trains, never analyses a video, and never
unpickles a file whose sha256 the registry has not named. Beside the files that every service has:
`install` (the shipped model, by the launcher) and `upkeep` (what the model server is to have).
"""
