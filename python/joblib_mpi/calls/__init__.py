"""The life of a ``Parallel`` call on rank 0: its options, its tasks under way, and who is told of their outcomes."""
