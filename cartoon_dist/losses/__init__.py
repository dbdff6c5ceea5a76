"""Equations 6 to 12 as pure functions of tensors."""
