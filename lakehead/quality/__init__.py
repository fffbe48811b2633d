"""What a table must keep, and whether it does: suites, checks by Great Expectations, the gate."""
