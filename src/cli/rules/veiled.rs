//! What a replayed exchange comes to where redaction has had a part in it.
//!
//! Of a redacted value a tag was stored. Two tags differ as two values did, but they have not their type, look or size:
//! what they seem to be is put right by what was found when the values were there. A rule that would have to see them
//! is not said to hold or not to hold.

use crate::diff::{Cover, Finding, Findings, MAX_FINDINGS, RouteRules, RuleSet, Unseen};
use crate::evidence::Example;
use std::sync::Arc;

/// An exchange as far as it can be told.
#[derive(Debug, Default)]
pub(super) struct Unveiled {
    pub(super) found: Findings,
    /// Findings of which it can't be told whether a rule excuses them.
    pub(super) untold: Vec<Untold>,
}

#[derive(Debug)]
pub(super) struct Untold {
    pub(super) finding: Finding,
    /// The rule that would have to see the values; `None` where it is not known what was found there.
    pub(super) rule: Option<Arc<str>>,
}

/// How a tag begins and ends.
const TAG: (&str, char) = ("[redacted ", ']');

/// `found` is what the stored answers come to by `rules`, those of `all` that hold on the route.
pub(super) fn unveil(found: Findings, example: &Example, rules: &RouteRules, all: &RuleSet) -> Unveiled {
    let stored = &example.differences;
    let mut taken = vec![false; stored.len()];
    let mut out = Unveiled { found: Findings { list: Vec::new(), ..found }, untold: Vec::new() };
    for finding in &found.list {
        if !is_veiled(finding) {
            out.found.list.push(finding.clone());
            continue;
        }
        let were = counterparts(finding, stored, &taken);
        if were.is_empty() {
            out.unknown(finding, rules, stored.len() < MAX_FINDINGS);
        }
        for (at, was) in were {
            taken.iter_mut().skip(at).take(1).for_each(|taken| *taken = true);
            let seen = rules.unseen(was, kept(was, example, all), finding.cover.as_ref());
            out.add(Finding { secondary: finding.secondary, ..was.clone() }, seen);
        }
    }
    // Values of another type or spelling may have one tag.
    for (was, _) in stored.iter().zip(&taken).filter(|(was, taken)| !**taken && is_hidden(was)) {
        if !found.list.iter().any(|finding| finding.exact == was.exact) {
            out.add(was.clone(), rules.unseen(was, kept(was, example, all), None));
        }
    }
    out
}

// === impl Unveiled ===

impl Unveiled {
    fn add(&mut self, finding: Finding, seen: Unseen) {
        match seen {
            Unseen::Bare => self.found.list.push(Finding { cover: None, ..finding }),
            Unseen::Covered(id) => self.found.list.push(Finding { cover: Some(Cover::Rule(id)), ..finding }),
            Unseen::Untold(id) if finding.tier.counts() => self.untold.push(Untold { finding, rule: Some(id) }),
            Unseen::Untold(_) => self.found.list.push(Finding { cover: None, ..finding }),
        }
    }

    /// A finding of which nothing was found when the values were there; `complete` where all that was found was kept.
    fn unknown(&mut self, finding: &Finding, rules: &RouteRules, complete: bool) {
        let is_one_sided = finding.primary.is_none() || finding.candidate.is_none();
        let of_field = ["header:", "cookie:", "trailer:"].iter().any(|f| finding.location.starts_with(f));
        match rules.unseen(finding, None, finding.cover.as_ref()) {
            Unseen::Covered(id) => self.add(finding.clone(), Unseen::Covered(id)),
            // That something is missing is seen without it.
            _ if is_one_sided => self.found.list.push(finding.clone()),
            // The values of a field meant the same; what stands in a body may have been paired otherwise.
            _ if of_field && complete => {}
            Unseen::Untold(id) => self.untold.push(Untold { finding: finding.clone(), rule: Some(id) }),
            Unseen::Bare => self.untold.push(Untold { finding: finding.clone(), rule: None }),
        }
    }
}

/// What was found when the values were there, where now something about their tags is: the same, or what is in it.
fn counterparts<'e>(finding: &Finding, stored: &'e [Finding], taken: &[bool]) -> Vec<(usize, &'e Finding)> {
    let free = || stored.iter().enumerate().filter(|(at, _)| taken.get(*at) == Some(&false));
    let first = |is: &dyn Fn(&Finding) -> bool| free().find(|(_, was)| is(was));
    let is_inside = |was: &Finding| {
        let below = was.exact.strip_prefix(&*finding.exact);
        below.is_some_and(|below| below.starts_with(['.', '[', '/']))
    };
    let here = |was: &Finding| was.exact == finding.exact;
    let one = first(&|was| here(was) && was.kind == finding.kind)
        .or_else(|| first(&|was| here(was) && (is_veiled(was) || is_hidden(was))));
    if let Some(one) = one {
        return vec![one];
    }
    let inside: Vec<_> = free().filter(|(_, was)| is_inside(was)).collect();
    if !inside.is_empty() {
        return inside;
    }
    // An array's elements may be paired otherwise than they were. Of many that are alike the first few were kept.
    let alike = |was: &Finding| was.location == finding.location && tags_of(was) == tags_of(finding);
    let is_like = |was: &Finding| was.location == finding.location && was.kind == finding.kind;
    let of_many = || stored.iter().enumerate().find(|(_, was)| stored.len() >= MAX_FINDINGS && is_like(was));
    first(&alike).or_else(of_many).into_iter().collect()
}

/// The rule that covered a finding, where it says today what it said then.
fn kept<'e>(was: &'e Finding, example: &Example, all: &RuleSet) -> Option<&'e Arc<str>> {
    let Some(Cover::Rule(id)) = &was.cover else { return None };
    example.rules.get(id).is_some_and(|said| all.meaning(id) == Some(said)).then_some(id)
}

/// Whether values differ in what was redacted of them. In which order values stand their tags tell.
fn is_veiled(finding: &Finding) -> bool {
    let (primary, candidate) = tags_of(finding);
    primary != candidate && !finding.kind.ends_with("order") && !finding.kind.ends_with(".moved")
}

/// Whether values differ that have one tag.
fn is_hidden(finding: &Finding) -> bool {
    finding.primary == finding.candidate && !tags_of(finding).0.is_empty()
}

fn tags_of(finding: &Finding) -> (Vec<&str>, Vec<&str>) {
    (tags(finding.primary.as_deref()), tags(finding.candidate.as_deref()))
}

fn tags(excerpt: Option<&str>) -> Vec<&str> {
    let parts = excerpt.unwrap_or_default().split(TAG.0).skip(1);
    parts.filter_map(|part| part.split_once(TAG.1)).map(|(tag, _)| tag).collect()
}

#[cfg(test)]
mod tests {
    use super::super::replay::{Rebuilt, rebuild};
    use super::*;
    use crate::diff::{self, Align, Context, Ignore, Limits, Mask, RuleSpec, Shape, Tolerance};
    use crate::model::{Answer, BodyEnd, Captured, Leg, Outcome, PerLeg, RequestHead, Timestamp};
    use crate::redact::{RedactSettings, Redactor};
    use bytes::Bytes;
    use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};
    use std::time::Duration;

    const ROUTE: &str = "GET /a";
    const TODAY: &str = "2026-01-01";

    fn compared(request: &RequestHead, rules: &RuleSet, primary: &Answer, candidate: &Answer) -> Findings {
        let context = Context {
            request,
            rules: &rules.for_route(ROUTE, TODAY),
            origins: &PerLeg::default(),
            other: Leg::Candidate,
            arrived: Some(Timestamp::from_micros(1)),
            skew: Duration::ZERO,
            skip_headers: &[],
            limits: Limits::default(),
            expired: &|| false,
        };
        diff::compare(&context, primary, &Outcome::from(candidate.clone()))
    }

    fn answer(fields: &[(&'static str, &str)], body: &str) -> Answer {
        let json = ("content-type", "application/json");
        let fields = fields.iter().chain([&json]);
        let field = |(name, value): &(&'static str, &str)| {
            (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())
        };
        Answer {
            status: StatusCode::OK,
            reason: Default::default(),
            headers: fields.map(field).collect::<HeaderMap>().into(),
            body: Captured::whole(vec![Bytes::copy_from_slice(body.as_bytes())]),
            trailers: None,
            end: BodyEnd::Complete,
        }
    }

    /// What is stored of two answers that were compared by these rules.
    fn stored(rules: &RuleSet, primary: &Answer, candidate: &Answer) -> Example {
        let settings = RedactSettings {
            headers: vec!["x-key".into()],
            json: ["json:$.s", "json:$.list[*].s"].map(String::from).to_vec(),
            patterns: vec![],
        };
        let redactor = Redactor::new(&settings, [7; 32]).unwrap();
        let request = RequestHead {
            method: Method::GET,
            uri: Uri::from_static("/a"),
            host: None,
            scheme: "http",
            headers: Default::default(),
        };
        let mut differences = compared(&request, rules, primary, candidate).list;
        differences.iter_mut().for_each(|finding| redactor.finding(finding));
        let covers = differences.iter().filter_map(|f| f.cover.as_ref());
        let covers = covers.map(|Cover::Rule(id)| (id.clone(), rules.meaning(id).unwrap().clone()));
        Example {
            id: "x".into(),
            at: Timestamp::from_micros(1),
            request: redactor.request(&request, &Captured::empty()),
            primary: redactor.answer(primary),
            candidate: redactor.answer(candidate),
            rules: covers.collect(),
            differences,
        }
    }

    /// What a stored exchange comes to by other rules.
    fn told(example: &Example, rules: &RuleSet) -> String {
        let Rebuilt::Whole(whole) = rebuild(example) else { panic!("not replayed") };
        let found = compared(&whole.0, rules, &whole.1, &whole.2);
        let unveiled = unveil(found, example, &rules.for_route(ROUTE, TODAY), rules);
        let line = |finding: &Finding, by: &str| {
            format!("{} @ {} {}{by}", finding.kind, finding.location, finding.tier.as_str())
        };
        let found = unveiled.found.list.iter().map(|finding| match &finding.cover {
            Some(Cover::Rule(id)) => line(finding, &format!(" by {id}")),
            None => line(finding, ""),
        });
        let untold = unveiled.untold.iter().map(|u| line(&u.finding, &format!(" untold {:?}", u.rule)));
        found.chain(untold).collect::<Vec<_>>().join("\n")
    }

    fn rule(id: &str, at: &str) -> RuleSpec {
        RuleSpec { id: id.into(), on: "*".into(), at: at.into(), ..RuleSpec::default() }
    }

    fn shaped(at: &str, class: &str) -> RuleSpec {
        RuleSpec { shape: Some(Shape::Class(class.into())), ..rule("r", at) }
    }

    fn near(absolute: f64) -> RuleSpec {
        let tolerance = Some(Tolerance { absolute: Some(absolute), ..Tolerance::default() });
        RuleSpec { tolerance, ..rule("r", "json:$.s") }
    }

    #[track_caller]
    fn check(live: &[RuleSpec], tried: &[RuleSpec], primary: &Answer, candidate: &Answer, expect: &str) {
        let (live, tried) = (RuleSet::compile(live).unwrap(), RuleSet::compile(tried).unwrap());
        assert_eq!(told(&stored(&live, primary, candidate), &tried), expect);
    }

    const IDS: [&str; 2] = ["1b4e28ba-2fa1-41d2-883f-0016d3cca427", "1b4e28ba-2fa1-41d2-883f-0016d3cca428"];

    #[test]
    fn a_redacted_value_is_what_it_was() {
        let cookie = |id: &str| answer(&[("set-cookie", &format!("sid={id}; Path=/"))], "{}");
        let (a, b) = (cookie(IDS[0]), cookie(IDS[1]));
        check(&[], &[], &a, &b, "cookie.value_shape @ cookie:sid info");
        check(&[], &[], &a, &cookie("none"), "cookie.value_shape @ cookie:sid value");
        check(&[], &[], &answer(&[], r#"{"s":1}"#), &answer(&[], r#"{"s":1.0}"#), "json.number_repr @ json:$.s repr");
        check(&[], &[], &answer(&[], r#"{"s":1}"#), &answer(&[], r#"{"s":"1"}"#), "json.type @ json:$.s value");
        let inner = |n: u8| answer(&[], &format!(r#"{{"s":{{"a":[{n},2],"b":{n}}}}}"#));
        let each = "json.value @ json:$.s.a[*] value\njson.value @ json:$.s.b value";
        check(&[], &[], &inner(1), &inner(3), each);
        let ignore = RuleSpec { ignore: Some(Ignore::Value), ..rule("r", "json:$.s.a") };
        let one = "json.value @ json:$.s.a[*] value by r\njson.value @ json:$.s.b value";
        check(&[], &[ignore], &inner(1), &inner(3), one);
        // Nothing was found there.
        let listed = |list: &str| answer(&[("x-key", list)], "{}");
        check(&[], &[], &listed("a,b"), &listed("a, b"), "");
    }

    #[test]
    fn a_rule_holds_by_shape_or_as_it_held() {
        let text = |s: &str| answer(&[], &format!(r#"{{"s":"{s}"}}"#));
        let number = |s: &str| answer(&[], &format!(r#"{{"s":{s}}}"#));
        let key = |id: &str| answer(&[("x-key", id)], "{}");
        let at = "json.value @ json:$.s value";
        let (by, untold) = (format!("{at} by r"), format!("{at} untold Some(\"r\")"));
        check(&[], &[shaped("json:$.s", "email")], &text("a@e.com"), &text("b@e.com"), &by);
        check(&[], &[shaped("json:$.s", "email")], &text("a@e.com"), &text("none at all"), at);
        check(&[], &[shaped("json:$.s", "hex")], &text("12345678"), &text("abcdef12"), &untold);
        check(
            &[],
            &[shaped("header:x-key", "uuid")],
            &key(IDS[0]),
            &key(IDS[1]),
            "header.value @ header:x-key value by r",
        );
        let (a, b) = (number("1001"), number("1002"));
        check(&[near(10.0)], &[near(10.0)], &a, &b, &by);
        check(&[near(10.0)], &[near(0.1)], &a, &b, &untold);
        check(&[near(0.1)], &[near(0.1)], &a, &b, &untold);
        check(&[], &[near(10.0)], &number("1"), &text("1"), "json.type @ json:$.s value");
        check(&[near(10.0)], &[], &a, &b, at);
        let mask = Mask { pattern: "[0-9a-f]".into(), with: String::new() };
        check(&[], &[RuleSpec { mask: Some(mask), ..rule("r", "json:$.s") }], &a, &b, &untold);
        let renamed = RuleSpec { bijection: Some("g".into()), ..rule("r", "json:$.s") };
        check(&[], &[renamed], &a, &b, &by);
        check(&[], &[RuleSpec { ignore: Some(Ignore::All), ..rule("r", "body") }], &a, &b, &by);
        let same = RuleSpec { same: vec![vec!["1001".into(), "1002".into()]], ..rule("r", "json:$.s") };
        check(&[], &[same], &a, &b, &untold);
    }

    #[test]
    fn elements_are_paired_as_the_rules_tried_say() {
        let list = |values: &[&str]| {
            let items: Vec<String> = values.iter().map(|s| format!(r#"{{"s":"{s}"}}"#)).collect();
            answer(&[], &format!(r#"{{"list":[{}]}}"#, items.join(",")))
        };
        let (a, b) = (list(&["x", "y", "z"]), list(&["z", "y", "x"]));
        let by = |align| RuleSpec { align: Some(align), ..rule("r", "json:$.list") };
        let (set, index) = (by(Align::Set), by(Align::Index));
        check(&[], std::slice::from_ref(&set), &a, &b, "json.order @ json:$.list order by r");
        let at = "json.value @ json:$.list[*].s value untold None";
        check(&[set], &[index], &a, &b, &format!("{at}\n{at}"));
    }

    #[test]
    fn what_an_earlier_version_stored_says_less() {
        let number = |s: &str| answer(&[], &format!(r#"{{"s":{s}}}"#));
        let rules = RuleSet::compile(&[near(10.0)]).unwrap();
        let mut old = serde_json::to_value(stored(&rules, &number("1001"), &number("1002"))).unwrap();
        old.as_object_mut().unwrap().remove("rules").unwrap();
        let old: Example = serde_json::from_value(old).unwrap();
        assert_eq!(told(&old, &rules), "json.value @ json:$.s value untold Some(\"r\")");
        assert_eq!(told(&old, &RuleSet::compile(&[]).unwrap()), "json.value @ json:$.s value");
    }
}
