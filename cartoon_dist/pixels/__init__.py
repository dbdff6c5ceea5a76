"""One picture at a time, in numpy: cropping and edge smoothing. Never imports torch."""
