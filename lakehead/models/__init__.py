"""Stream models: one SQL text, compiled for each engine."""
