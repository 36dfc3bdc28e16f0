"""PIL only: metadata, file names, saving, grids."""
