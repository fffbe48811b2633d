"""Proofs: that nothing was lost or doubled, and that the stream's answer is the batch's."""
