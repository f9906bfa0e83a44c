"""Jobs that serve clients: how one waits for them, and how they, and its user, find it."""
