"""What a few minutes on a GPU show, by one command: `python -m bench.gpu_proof OUT` (docs/gpu.md).

It checks that the code is right on CUDA, and measures how fast a step is, where its time goes and whether a training
runs from shards to a score. Each stage is a process with a time limit of its own, and its result is one line of JSON in
OUT/gpu_proof.jsonl. The parent process imports the standard library alone, so that a missing package or a GPU that
hangs can spoil one stage but not the file.
"""
