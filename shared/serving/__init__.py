"""Model servers: one port, Triton and OpenVINO behind it, the model repository beside it."""
