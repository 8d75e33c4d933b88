"""Localisation: where the object is that a picture shows (Appendix A of the paper)."""
