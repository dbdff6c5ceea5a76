"""A package, as its files have the names of others: pytest tells them apart by it."""
