"""Tables, figures and the report that opens offline; may import ranking and scoring."""
