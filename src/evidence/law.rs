//! The law of accounting, as a function: no request is in two buckets, and none in no bucket.

use super::{Counts, Evidence, ExcusedReasons, IncomparableReasons};
use crate::model::Incomparable;

impl ExcusedReasons {
    pub fn sum(&self) -> u64 {
        self.representation + self.noise + self.rule
    }
}

impl IncomparableReasons {
    pub fn sum(&self) -> u64 {
        Incomparable::ALL.into_iter().map(|r| self.get(r)).sum()
    }
}

impl Counts {
    /// Whether every equation holds; the error names the broken one with its numbers.
    pub fn law(&self) -> Result<(), String> {
        let Counts { requests, mirrored, pending, compared, matched, excused, divergent, incomparable, .. } = *self;
        if self.transient > self.asked_again || self.asked_again > divergent {
            return Err(format!(
                "{divergent} divergent, {} asked again, {} transient",
                self.asked_again, self.transient
            ));
        }
        let check = |what: &str, left: u64, right: u64| {
            if left == right { Ok(()) } else { Err(format!("{what}: {left} is not {right}")) }
        };
        check("requests = mirrored + not_mirrored", requests, mirrored + self.not_mirrored.sum())?;
        check("mirrored = compared + incomparable + pending", mirrored, compared + incomparable + pending)?;
        check("compared = matched + excused + divergent", compared, matched + excused + divergent)?;
        check("incomparable = sum of its reasons", incomparable, self.incomparable_reasons.sum())?;
        check("excused = sum of its reasons", excused, self.excused_reasons.sum())
    }

    /// The same without what is pending: whole exchanges only, as they are kept.
    pub fn settled(&self) -> Counts {
        Counts {
            requests: self.requests - self.pending,
            mirrored: self.mirrored - self.pending,
            pending: 0,
            ..self.clone()
        }
    }
}

impl Evidence {
    /// Whether the law holds for every route and the total; the error names the route and the broken equation.
    pub fn law(&self) -> Result<(), String> {
        for (name, route) in &self.routes {
            route.counts.law().map_err(|e| format!("{name}: {e}"))?;
            if route.paired.total() > route.counts.compared || route.errors.total() > route.counts.compared {
                return Err(format!("{name}: more pairs than comparisons"));
            }
        }
        self.totals().law().map_err(|e| format!("totals: {e}"))
    }

    /// The sums over all routes.
    pub fn totals(&self) -> Counts {
        let mut totals = Counts::default();
        for route in self.routes.values() {
            totals.merge(&route.counts);
        }
        totals
    }
}
