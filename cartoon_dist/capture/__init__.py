"""A training step as a graph: recorded once, then replayed; and checks of that without a GPU."""
