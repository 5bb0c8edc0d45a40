"""Boards drawn with the data that a Prometheus has, as one page that needs nothing else."""
