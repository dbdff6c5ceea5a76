"""One picture at a time, in numpy: decode, crop, smooth edges, encode. Never imports torch."""
