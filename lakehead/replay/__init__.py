"""Replay: the lake's history as a stream again."""
