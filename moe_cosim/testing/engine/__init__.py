"""What every engine must do, and what shows it: small machines and random programs."""
