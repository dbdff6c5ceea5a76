"""What makes a step and a drawing fast on a GPU: fused operations (the only triton), memory layouts."""
