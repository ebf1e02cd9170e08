"""From scores to ranks, their stability, leaderboards and results.json; may import scoring."""
