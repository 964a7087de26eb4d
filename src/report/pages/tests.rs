//! What stands around every page.

use super::*;
use crate::evidence::Example;
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
    let since = look.report.epoch.started_at + Duration::from_secs(7);
    look.report.epoch.away.open(since);
    let page = overview(&look, Duration::ZERO);
    let banner = page.split("class=\"banner alarm\"").nth(1).unwrap().split("</section>").next().unwrap();
    assert!(banner.contains(&format!("datetime=\"{since}\"")), "{banner}");
    look.report.notices.push(store);
    assert_eq!(told(&look), Some(("The evidence is not durable: the disk is full".into(), 2)));
}

#[test]
fn what_looks_alike_on_several_routes_has_one_trend() {
    use crate::report::{DivergenceReport, ShareTrend};
    let like: DivergenceReport = samples::report(Verdict::Fail).divergences.remove(0);
    let of = |route: &str, from: u64, seconds: u64, count: &[u64], compared: &[u64]| DivergenceReport {
        route: route.into(),
        trend: Some(ShareTrend {
            from: Timestamp::from_micros(from * 1_000_000),
            seconds,
            count: count.to_vec(),
            compared: compared.to_vec(),
        }),
        ..like.clone()
    };
    let (a, other_value) = (of("a", 8, 2, &[1, 0, 2], &[5, 5, 5]), of("a", 8, 2, &[0, 4, 1], &[5, 5, 5]));
    let b = of("b", 4, 4, &[1, 1], &[3, 10]);
    let joined = ShareTrend::joined(&[&a, &other_value, &b]).unwrap();
    assert_eq!((joined.from, joined.seconds), (Timestamp::from_micros(4_000_000), 4));
    assert_eq!((joined.count, joined.compared), (vec![1, 6, 3], vec![3, 20, 5]));
    assert_eq!(ShareTrend::joined(&[&b]), b.trend);
    // However far apart, there are not many spans.
    let far = of("c", 1 << 20, 1, &[7], &[9]);
    let joined = ShareTrend::joined(&[&a, &far]).unwrap();
    assert!(
        joined.count.len() <= 24 && joined.count.iter().sum::<u64>() == 10 && joined.compared.iter().sum::<u64>() == 24
    );
    assert_eq!(ShareTrend::joined(&[&DivergenceReport { trend: None, ..a }]), None);
}

#[test]
fn a_divergence_shows_its_own_differences_first_and_folds_many_others() {
    let mut look = look();
    let page = |look: &Look| {
        super::divergence(&Visit { look, age: Duration::ZERO, deeds: &[], query: &Query::default() }, "kq3v7x2mha")
            .unwrap()
    };
    let before = page(&look);
    let own = "<code>json:$.total</code> json.type: primary <code>129.9</code>";
    assert!(before.contains(own) && !before.contains("more differences in this exchange"));
    for route in look.evidence.routes.values_mut().map(Arc::make_mut) {
        for example in route.divergences.values_mut().flat_map(|d| &mut d.examples) {
            let mut many = Example::clone(example);
            let first = many.differences[0].clone();
            for n in 0..9 {
                let other = crate::diff::Finding { location: format!("header:x-{n}").into(), ..first.clone() };
                many.differences.insert(0, other);
            }
            *example = Arc::new(many.into());
        }
    }
    let after = page(&look);
    let (first, folded) = after.split_once("<summary>9 more differences in this exchange</summary>").unwrap();
    assert!(first.contains(own) && folded.matches(" json.type: primary <code>129.9</code>").count() == 9);
}
