"""Explainers, one file each: functions ``explain(predictor, frame, background, *, options) -> Attribution``."""
