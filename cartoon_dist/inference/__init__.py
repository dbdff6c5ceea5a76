"""A generator on pictures of any size: in batches, or in horizontal tiles that equal the whole."""
