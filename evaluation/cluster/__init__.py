"""Running teams' containers on other machines, through a dask scheduler; may import harness."""
