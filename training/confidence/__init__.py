"""What predicts a result's quality: volumes spoilt by known causes, what the submission makes of them, fit and report."""
