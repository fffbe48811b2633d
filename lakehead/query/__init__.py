"""Answers: DuckDB over the data files of a consistent set of snapshots."""
