"""``python -m mape_k`` is ``mape-k``."""

from mape_k.cli import main

if __name__ == "__main__":
    main()
