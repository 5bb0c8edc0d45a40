"""mape-k: an asynchronous MAPE-K control daemon that believes nothing it did not see."""

__version__ = "0.1.0"
