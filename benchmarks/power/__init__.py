"""What the benchmark of power cuts is made of."""
