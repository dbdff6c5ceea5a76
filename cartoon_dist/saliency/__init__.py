"""Where a viewer looks first: RBD, MBD and their mean, in numpy. Never imports torch."""
