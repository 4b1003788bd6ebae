"""What every policy of neurons must do, and what shows it: rules of plans, of programs and of their timelines."""
