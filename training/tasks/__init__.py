"""One network a file: its settings, its samples, its training; may import synthesis, data and engine."""
