"""python launch/export.py RUN OUT.safetensors|OUT.onnx: write a trained generator as one file."""

from cartoon_dist.commands.dispatch import run_script

if __name__ == "__main__":
    run_script("export")
