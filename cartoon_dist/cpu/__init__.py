"""Optional speed on CPUs: faster convolutions, and an allocator that keeps memory."""
