//! Comparison workers, and the ledger that alone owns the evidence.
