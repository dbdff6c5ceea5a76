"""The shard job: from pictures to tars on many workers. Its workers never import torch."""
