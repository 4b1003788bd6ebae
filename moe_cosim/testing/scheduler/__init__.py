"""What every batch scheduler must do, and a small sweep to show it with."""
