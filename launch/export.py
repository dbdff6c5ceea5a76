"""python launch/export.py RUN OUT.safetensors|OUT.onnx: write a trained generator as one file."""

from cartoon_dist.commands import export
from cartoon_dist.commands.main import run_command

if __name__ == "__main__":
    run_command(export.main)
