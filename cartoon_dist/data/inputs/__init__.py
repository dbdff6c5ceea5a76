"""Inputs of a shard job: pictures, videos, list files, labels, and the errors about them. Never imports torch."""
