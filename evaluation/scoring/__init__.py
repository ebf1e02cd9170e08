"""All teams' scores on all cases, with penalties by policy; may import metrics and submissions."""
