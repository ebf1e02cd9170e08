"""Files beside the challenge's for other programs and people: tables, and derivatives as BIDS has them."""
