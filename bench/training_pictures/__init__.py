"""Photos and two styles of cartoons, out of Debian packages: `python -m bench.training_pictures OUT`."""
