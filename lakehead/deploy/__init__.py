"""A project on a cluster: its manifests for Kubernetes, and how large the cluster must be."""
