"""Results kept on disk, the keys under which they are found again, and the signals that end a run."""
