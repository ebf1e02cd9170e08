"""What predicts a result's quality: volumes spoilt by known causes, what is made of them, fit and report."""
