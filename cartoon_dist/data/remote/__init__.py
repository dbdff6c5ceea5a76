"""Shards behind a URL: fetched once into a cache, every byte checked."""
