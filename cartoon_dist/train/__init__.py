"""The loop and what it leans on."""
