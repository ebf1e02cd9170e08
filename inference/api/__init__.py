"""The call from Python: what may be given, the networks that stay loaded, what comes out."""
