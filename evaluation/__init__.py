"""The organizers' side: measure, penalise, rank, report. Never imports torch."""
