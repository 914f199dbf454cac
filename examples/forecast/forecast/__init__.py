"""Forecasts of series: points in, the next ones out."""

RELEASE = "v1.0.0"
