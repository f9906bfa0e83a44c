"""The process in which user code runs: how it is forked, and how it runs one task after the other."""
