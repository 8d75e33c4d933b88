"""Where the object of a picture is, by arithmetic on files of boxes (Appendix A)."""
