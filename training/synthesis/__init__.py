"""Domain-randomised samples from label maps, after SynthSeg and FetalSynthSeg; may import imaging and data."""
