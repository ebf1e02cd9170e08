"""How far a result can be trusted: signals that the pipeline gives, what quality they let expect, and the verdict."""
