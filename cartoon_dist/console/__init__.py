"""What a user sees while a command runs: messages, progress, and text from outside escaped."""
