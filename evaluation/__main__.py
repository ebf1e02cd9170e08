"""``python -m evaluation`` is ``feta-evaluate``."""

from evaluation.cli import main

if __name__ == "__main__":
    main()
