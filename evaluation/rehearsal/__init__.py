"""A participant's image under the organizer's rules, before it counts."""
