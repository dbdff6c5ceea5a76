"""The shard format: samples, indices, manifest, and reading samples by number. Never imports torch."""
