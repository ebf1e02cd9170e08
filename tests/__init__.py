"""The tests: the folders of the code, and ``support`` with what they share."""
