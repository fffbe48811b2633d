"""Flink jobs by desired state: what should run is recorded, a controller makes it so."""
