"""Tasks, results and errors as bytes, and back."""
