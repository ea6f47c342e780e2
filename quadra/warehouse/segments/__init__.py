"""Segments: written from sealed batches, merged, verified, published, and the store they lie in."""
