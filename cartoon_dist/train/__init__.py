"""The training loop and what it needs; `loop` is the place to start reading."""
