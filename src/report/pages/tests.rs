//! What stands around every page.

use super::*;
use crate::report::samples;

fn look() -> Look {
    Look {
        report: samples::report(Verdict::Fail),
        evidence: samples::evidence("129.90"),
        history: samples::history(Verdict::Fail),
        known: Arc::default(),
        health: Health::default(),
    }
}

fn overview(look: &Look, age: Duration) -> String {
    super::overview(&Visit { look, age, deeds: &[], query: &Query::default() })
}

#[test]
fn numbers_that_are_not_of_now_say_how_old_they_are() {
    let look = look();
    let of = |age| overview(&look, Duration::from_millis(age));
    assert!(!of(900).contains(" ago</b>; newer numbers are being taken"));
    let old = of(12_000);
    assert!(old.contains("<b>12 s ago</b>; newer numbers are being taken"), "{old}");
    // What is told as so long ago is so at the moment of reading.
    assert_eq!(
        time(look.report.generated_at + Duration::from_secs(12), look.report.generated_at)
            .to_string()
            .matches("12 s ago")
            .count(),
        1
    );
    let seen = look.report.divergences[0].last_seen;
    let later = time(look.report.generated_at + Duration::from_secs(3_600), seen).to_string();
    assert!(of(3_600_000).contains(&later), "{later}");
}

#[test]
fn of_all_that_is_wrong_one_banner_tells() {
    let notice = |code: &str, message: &str| Notice {
        code: code.into(),
        severity: Severity::Warning,
        message: message.into(),
        hint: None,
        since: None,
    };
    let breaker = notice("breaker_open", "the candidate's breaker has been open for 4 min");
    let store = notice("store_failing", "the evidence is not durable: the disk is full");
    let mut look = look();
    let told = |look: &Look| {
        let page = overview(look, Duration::ZERO);
        let banner = page
            .split("class=\"banner alarm\"")
            .nth(1)
            .map(|rest| rest.split("</section>").next().unwrap_or(rest).to_owned());
        assert!(page.matches("class=\"banner alarm\"").count() <= 1);
        let first =
            |banner: &str| banner.split("<h2>✖ ").nth(1).and_then(|h| h.split("</h2>").next()).unwrap_or("").to_owned();
        banner.map(|banner| (first(&banner), banner.matches("<dt>also</dt>").count()))
    };
    look.report.notices.retain(|n| n.code != "breaker_open");
    assert_eq!(told(&look), None);
    look.report.notices.push(breaker);
    assert_eq!(told(&look), Some(("The candidate&#39;s breaker has been open for 4 min".into(), 0)));
    look.report.proxy.mirroring = Some(false);
    assert_eq!(told(&look), Some(("Mirroring is stopped".into(), 1)));
    look.report.notices.push(store);
    assert_eq!(told(&look), Some(("The evidence is not durable: the disk is full".into(), 2)));
}
