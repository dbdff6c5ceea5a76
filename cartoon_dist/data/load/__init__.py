"""Shards into batches: the order of samples, and batches read ahead by worker processes."""
