"""What developers run: checks, the lock, golden hashes, and the assembly of the documentation's pages."""
