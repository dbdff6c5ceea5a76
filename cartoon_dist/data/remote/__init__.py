"""Shards behind a URL: fetched once into a cache, every byte checked against its hash."""
