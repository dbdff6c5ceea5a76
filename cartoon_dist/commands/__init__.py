"""The commands: each reads its config, wires the rooms and calls them."""
