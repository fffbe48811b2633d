"""Data contracts: load one, and derive what each part of the system needs from it."""
