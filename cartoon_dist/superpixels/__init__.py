"""A picture as a few hundred patches of similar colour, in numpy and numba. Never imports torch."""
