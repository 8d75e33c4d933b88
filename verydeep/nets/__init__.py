"""Networks as tables: the rows, the paper's Table 1, what each row costs, and the one Network."""
