"""What a user sees while a command runs: lines, progress, and text from outside made harmless."""
