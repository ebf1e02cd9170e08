"""``python -m inference`` is ``feta-infer``."""

from inference.cli import main

if __name__ == "__main__":
    main()
