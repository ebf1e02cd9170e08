"""Why scores differ: domain shift, image quality where nobody rated it, and editions compared."""
