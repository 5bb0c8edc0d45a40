"""What the crash benchmarks share: points to die at, planted bugs, a scripted world, and the audit afterwards."""
