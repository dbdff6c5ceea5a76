"""Processes that work together: rank and collectives, devices, and a heartbeat that names who is lost."""
