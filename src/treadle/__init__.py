"""Treadle keeps machine-learning models turning: raw data to a model that people use, and keeps that model good."""

__version__ = "0.1.0"
