"""Data that many tasks use: where it lies on rank 0, and what the nodes already have of it."""
