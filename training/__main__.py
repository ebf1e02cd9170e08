"""``python -m training`` is ``feta-train``."""

from training.cli import main

if __name__ == "__main__":
    main()
