"""An analytic brain, drawn in seconds; may import imaging."""
