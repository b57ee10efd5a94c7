"""Tables in files: text, workbook, JSON lines, NumPy arrays."""
