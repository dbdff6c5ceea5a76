"""Shards on disk: their format, building, checking, reading and fetching."""
