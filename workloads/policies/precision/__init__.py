"""Systems that change the precision of experts while they run."""
