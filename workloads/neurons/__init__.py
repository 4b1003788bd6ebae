"""Activation sparsity of dense models: which neurons of which layer each token needs."""
