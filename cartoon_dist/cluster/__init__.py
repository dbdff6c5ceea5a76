"""Jobs on Slurm or on this machine. The only package that imports submitit."""
