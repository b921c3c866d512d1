"""Where the work runs, and in how much memory. Nothing in a result depends on it."""
