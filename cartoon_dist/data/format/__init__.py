"""The shard format: samples, indices, manifest, and reading samples by position. Never imports torch."""
