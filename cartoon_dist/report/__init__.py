"""A run's page: curves, pictures and scores in one HTML file that opens offline."""
