"""The table in a file: text, workbook, JSON lines, NumPy arrays."""
