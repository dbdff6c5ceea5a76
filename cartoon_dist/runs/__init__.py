"""A run folder: its paths and checkpoints, and the networks built from its config."""
