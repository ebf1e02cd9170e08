"""``feta-train data``: make labelled volumes to train on, and cohorts to try a submission with."""
