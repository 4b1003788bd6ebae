"""What measurements call devices, precisions and models, and what the catalogue calls them."""
