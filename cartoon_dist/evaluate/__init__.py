"""Scores of what a trained generator draws."""
