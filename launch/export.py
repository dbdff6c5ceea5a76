"""python launch/export.py RUN OUT.safetensors|OUT.onnx: write a trained generator as one file."""

from cartoon_dist.commands import entry, export

if __name__ == "__main__":
    entry.run(export.main)
