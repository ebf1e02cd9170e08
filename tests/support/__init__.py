"""What several tests share: made-up inputs, stand-ins, oracles. No test imports another test."""
