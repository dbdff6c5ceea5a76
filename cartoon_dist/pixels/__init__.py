"""The old name of `image`: kept for code that imports `cartoon_dist.pixels.edges`."""
