"""One call of ``feta-infer``: settings, models, all cases, one case, what is written and recorded.

Nothing imports it but the command line.
"""
