"""Realistic events of any contract, drawn from what it says."""

from lakehead.contracts.samples.events import START, Sampler, sample_events

__all__ = ["START", "Sampler", "sample_events"]
