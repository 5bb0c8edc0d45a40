"""What the benchmark of failing storage is made of."""
