"""Kubernetes: manifests for kustomize, and what reads them without a cluster."""
