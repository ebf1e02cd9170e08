"""Files that other programs and people read beside the challenge's: tables of sizes, of a cohort, of the labels."""
