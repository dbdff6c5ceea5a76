"""A run folder: where things lie, checkpoints, and how a config becomes networks."""
