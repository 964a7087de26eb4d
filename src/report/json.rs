//! The contract's JSON: one document, pretty, with a newline at its end.

use super::Report;
use crate::gate::Judgement;

pub fn json(report: &Report) -> String {
    document(report)
}

pub fn gate_json(judgement: &Judgement) -> String {
    document(judgement)
}

/// These types have string keys only and no failing serializer, so there is no error to report; should one come up
/// all the same, the output stays one JSON document and says so.
pub(super) fn document<T: serde::Serialize>(value: &T) -> String {
    match serde_json::to_string_pretty(value) {
        Ok(text) => text + "\n",
        Err(error) => serde_json::json!({ "schema": 1, "error": error.to_string() }).to_string() + "\n",
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples;
    use super::*;
    use crate::gate::Verdict;

    #[test]
    fn the_contract_names_and_their_order() {
        let text = json(&samples::report(Verdict::Fail));
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        for pointer in [
            "/schema",
            "/generated_at",
            "/epoch/id",
            "/epoch/candidate_build",
            "/epoch/rules",
            "/epoch/started_at",
            "/epoch/reason",
            "/totals/requests",
            "/totals/not_mirrored/loop",
            "/totals/excused_reasons/representation",
            "/totals/incomparable_reasons/capture_lost",
            "/routes/0/route",
            "/routes/0/since",
            "/routes/0/requests",
            "/routes/0/not_mirrored/shed",
            "/routes/0/divergence/noise",
            "/routes/0/status/primary/5xx",
            "/routes/0/status/candidate/failed",
            "/routes/0/latency/primary/p999_us",
            "/routes/0/latency/ratio/p99",
            "/divergences/0/fingerprint",
            "/divergences/0/excused_by",
            "/divergences/0/counted",
            "/divergences/0/primary_class",
            "/divergences/0/examples/0",
            "/rules/0/state",
            "/rules/0/owner",
            "/notices/0/code",
            "/notices/0/severity",
            "/notices/0/since",
            "/gate/verdict",
            "/gate/criteria/0/samples_needed",
        ] {
            assert!(value.pointer(pointer).is_some(), "{pointer} is missing");
        }
        let keys: Vec<_> = [
            "\"schema\"",
            "\"generated_at\"",
            "\"epoch\"",
            "\"totals\"",
            "\"routes\"",
            "\"divergences\"",
            "\"rules\"",
            "\"notices\"",
            "\"gate\"",
            "\"proxy\"",
        ]
        .map(|k| text.find(&format!("\n  {k}")).unwrap())
        .to_vec();
        assert!(keys.is_sorted());
    }

    #[test]
    fn a_report_survives_the_round_trip() {
        for verdict in [Verdict::Pass, Verdict::Fail, Verdict::Inconclusive] {
            let report = samples::report(verdict);
            assert_eq!(serde_json::from_str::<Report>(&json(&report)).unwrap(), report);
            let judgement = samples::judgement(verdict);
            assert_eq!(serde_json::from_str::<Judgement>(&gate_json(&judgement)).unwrap(), judgement);
        }
    }
}
