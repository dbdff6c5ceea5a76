"""Scores: FID, KID, LPIPS and how far each can be trusted. The only room that imports torch_fidelity."""
