"""The old name of `cartoon_dist.image.edges`."""

from cartoon_dist.image.edges import smooth_edges

__all__ = ["smooth_edges"]
