"""Systems that compute every expert on the GPU."""
