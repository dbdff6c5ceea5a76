"""A real training at the paper's size in some minutes of a GPU: `python -m bench.gpu_training`, docs/gpu_training.md.

`pack` puts pictures and weights into one file small enough to travel. `OUT` trains with it on the machine with the GPU
until the minutes are over, and leaves in OUT what is worth bringing home, in small files. `join` puts a model's parts
together again. The process that runs the stages imports no torch, so that a GPU that hangs can spoil one stage and not
what is there already.
"""
