"""Model servers: one port, Triton and ONNX Runtime behind it, the model repository beside it."""
