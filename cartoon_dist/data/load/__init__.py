"""Shards into training: the order of samples, and batches read ahead by worker processes."""
