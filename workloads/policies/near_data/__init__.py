"""Systems that compute experts beside the memory they lie in."""
