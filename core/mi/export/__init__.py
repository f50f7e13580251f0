"""Reports that leave the house."""
