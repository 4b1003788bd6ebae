"""What each command shows, as tables and notes. Figures come from results; nothing is computed here but units."""
