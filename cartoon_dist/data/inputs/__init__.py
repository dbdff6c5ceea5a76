"""What people hand in: pictures, films, lists, labels, and what is wrong with them. Never imports torch."""
