"""Each noun, through its door."""
