"""cartoon_dist: photos into cartoons, and the distributed training of the networks that draw them."""
