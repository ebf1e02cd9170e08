"""What organizers may publish: leaderboards, a report and a page a team, built from data by a list of kinds."""
