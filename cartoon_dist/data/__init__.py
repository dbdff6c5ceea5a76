"""Shards on disk: what a sample is, how shards are built, checked, ordered and read."""
