"""lakehead: a streaming lakehouse that proves its answers."""

__version__ = "0.1.0"
