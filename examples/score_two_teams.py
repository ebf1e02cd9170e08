"""Score teams and say who is ahead, and how surely: ``python examples/score_two_teams.py TRUTH SUBMISSIONS SCORES``.

SUBMISSIONS holds one folder a team. What ``feta-evaluate score`` writes is read by the standard library alone.
"""

from __future__ import annotations

import csv
import subprocess
import sys
from collections import Counter
from pathlib import Path


def rows(path: Path) -> list[dict[str, str]]:
    """The rows of a table, by column."""
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def main(truth: str, submissions: str, scores: str) -> None:
    """Score, then print the leaderboard of the whole cohort, and why values are penalties."""
    done = subprocess.run([sys.executable, "-m", "evaluation", "score", truth, submissions, scores], check=False)
    if done.returncode == 2:  # 1: something is missing or invalid, which the leaderboard is there to show
        sys.exit(2)
    for row in rows(Path(scores) / "leaderboard_segmentation.csv"):
        if row["site"] == "all":
            surely = f"{row['rank_low']} to {row['rank_high']}" if row["rank_low"] else "unknown"
            print(
                f"{row['rank']}. {row['team']}: Dice {float(row['dice']):.3f}, HD95 {float(row['hd95']):.2f} mm,",
                end=" ",
            )
            print(f"rank in 95 % of bootstrap samples: {surely}")
    penalties = [row for row in rows(Path(scores) / "scores.csv") if row["reason"]]  # a row a metric
    labels = {(row["team"], row["reason"], row["case"], row["label"]) for row in penalties}
    for (team, reason), count in sorted(Counter(label[:2] for label in labels).items()):
        print(f"{team}: {count} labels have penalties: {reason}")


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])
