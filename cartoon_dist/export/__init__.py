"""A trained generator as one file to give away: safetensors or ONNX, with a model card."""
