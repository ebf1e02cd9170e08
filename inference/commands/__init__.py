"""Forms of ``feta-infer`` that other programs call it by: one file a form."""
