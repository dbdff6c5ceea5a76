"""What the scripts in launch/ and shards/ call: read the config, wire the rooms, run."""
