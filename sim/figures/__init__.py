"""Figures and tables for papers, from the points of a store and the folders of runs."""
