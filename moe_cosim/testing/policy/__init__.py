"""What every policy must do, and what shows it: rules of plans, and of their timelines."""
