"""Where a model version lives that answers live rows: here, in a process of its own, elsewhere."""
