"""Shards against their manifest: verify, repair, and adopt sets made elsewhere. Never imports torch."""
