"""The paper's tables: every row trained, scored and written side by side."""
