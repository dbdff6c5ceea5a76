"""Jobs on Slurm or on this machine. The only room that imports submitit."""
