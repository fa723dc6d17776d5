"""What the mesh tells those who watch it: figures for Prometheus, traces for OpenTelemetry."""
