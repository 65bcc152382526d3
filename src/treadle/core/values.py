"""How values look in files made by people: what stands for missing, for true and for false."""

from __future__ import annotations

MISSING = ("", "NA", "N/A", "n/a", "na", "NaN", "nan", "NULL", "null", "None", "none", "?", "-", "#N/A")
TRUE = ("true", "True", "TRUE", "yes", "Yes", "YES", "y", "Y", "t", "T", "1")
FALSE = ("false", "False", "FALSE", "no", "No", "NO", "n", "N", "f", "F", "0")
