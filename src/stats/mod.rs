//! The arithmetic of evidence: e-processes, bounds, quantile ranks. Pure; knows nothing of HTTP.
