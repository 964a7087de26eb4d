//! Comparing and redacting joined: what the workers call, and the short way for answers that are equal.

use super::AppError;
use crate::config::Checked;
use crate::diff::{self, Context, Cover, Finding, Findings, Limits, RouteRules, RuleSet};
use crate::evidence::{Compared, Example, ExampleMessage, Exhibit, Rules, Settlement, Succession};
use crate::flow::{Judge, Pair, Question, RequestBody};
use crate::model::{Answer, Leg, LegRecord, Outcome, PerLeg, Timestamp};
use crate::pipeline::{CompareConfig, Comparer, Examine, Scene};
use crate::redact::{MAX_BODY, Redactor};
use crate::upstream::LegSettings;
use arc_swap::ArcSwap;
use http::HeaderName;
use http::header::CONTENT_ENCODING;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use xxhash_rust::xxh3::Xxh3Default;

/// All that comparing and redacting need, for one generation of the rules. Cheap to clone.
#[derive(Clone)]
pub struct Examination {
    generation: u64,
    /// By which rules are in force or have expired: on another day they may be others, of another generation. So it is not
    /// the day on which an exchange arrived.
    day: Arc<str>,
    parts: Arc<Parts>,
}

struct Parts {
    rules: RuleSet,
    redactor: Redactor,
    /// Each leg's own origin, which may stand in links.
    origins: PerLeg<Option<String>>,
    /// Read elsewhere and never compared: the candidate's build.
    skip: Vec<HeaderName>,
    /// The examples that came last.
    succession: Mutex<Succession>,
}

impl std::fmt::Debug for Examination {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Examination").field("generation", &self.generation).finish_non_exhaustive()
    }
}

// === impl Examination ===

impl Examination {
    /// As of the day of `now`.
    pub fn new(
        settings: &Checked,
        rules: RuleSet,
        generation: u64,
        redact_key: [u8; 32],
        now: Timestamp,
    ) -> Result<Self, AppError> {
        let redactor = Redactor::new(&settings.redact, redact_key).map_err(|errors| {
            AppError::Settings(errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
        })?;
        let origins = origins(settings);
        let skip = vec![settings.build_header.clone()];
        let succession = Mutex::new(Succession::new(settings.store.keep_examples));
        let parts = Arc::new(Parts { rules, redactor, origins, skip, succession });
        Ok(Self { generation, day: now.day().into(), parts })
    }

    /// The next generation, where on that day other rules are in force.
    pub fn turned(&self, today: &str) -> Option<Self> {
        let rules = self.rules();
        let same = *today == *self.day || rules.digest(today) == rules.digest(&self.day);
        (!same).then(|| Self { generation: self.generation + 1, day: today.into(), parts: self.parts.clone() })
    }

    /// What the rules are, and which of them are in force.
    pub fn rule_infos(&self) -> Vec<diff::RuleInfo> {
        self.rules().infos(&self.day)
    }

    pub fn rules(&self) -> &RuleSet {
        &self.parts.rules
    }

    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// The rules as far as evidence knows them.
    pub fn evidence_rules(&self) -> Rules {
        let Self { generation, day, parts } = self.clone();
        Rules {
            generation,
            digest: parts.rules.digest(&day),
            infos: parts.rules.infos(&day).into(),
            route: Arc::new(move |route| parts.rules.for_route(route, &day).digest().to_owned()),
        }
    }

    fn rules_for(&self, pair: &Pair) -> Arc<RouteRules> {
        self.parts.rules.for_route(pair.ticket.route(), &self.day)
    }

    /// Whether two answers show no difference at all: nearly free, and true for most.
    fn is_match(&self, pair: &Pair, other: &Answer) -> bool {
        let rules = self.rules_for(pair);
        diff::is_match(&rules, &self.parts.skip, &pair.primary, other)
    }

    fn with_context<T>(
        &self,
        pair: &Pair,
        leg: Leg,
        expired: &dyn Fn() -> bool,
        compare: impl FnOnce(&Context<'_>) -> T,
    ) -> T {
        let rules = self.rules_for(pair);
        compare(&Context {
            request: &pair.question.head,
            rules: &rules,
            origins: &self.parts.origins,
            other: leg,
            arrived: Some(pair.ticket.arrived()),
            skew: apart(pair.lag, &pair.legs, leg),
            skip_headers: &self.parts.skip,
            limits: Limits::default(),
            expired,
        })
    }

    /// Findings with nothing in their groups that is to be hidden.
    fn told(&self, mut findings: Findings) -> Findings {
        self.parts.redactor.groups(&mut findings.list);
        findings
    }
}

impl Examine for Examination {
    fn compare(&self, pair: &Pair, leg: Leg, other: &Outcome, expired: &dyn Fn() -> bool) -> Findings {
        let compare = |context: &Context<'_>| diff::compare(context, &pair.primary, other);
        let mut findings = self.with_context(pair, leg, expired, compare);
        if let Some(other) = other.answer() {
            self.parts.redactor.bodies(&mut findings.list, [&pair.primary, other]);
        }
        self.told(findings)
    }

    fn is_brief(&self, pair: &Pair) -> bool {
        let brief = |outcome: &Outcome| outcome.answer().is_some_and(|other| diff::is_brief(&pair.primary, other));
        // The example of any other is made along with comparing, which may take long.
        brief(&pair.candidate)
            && pair.control.as_ref().is_none_or(brief)
            && is_small(&pair.question, &pair.primary, pair.candidate.answer())
    }

    fn at_once(&self, pair: &Pair, leg: Leg, other: &Outcome) -> Option<Findings> {
        let other = other.answer()?;
        let differ = |context: &Context<'_>| diff::at_once(context, &pair.primary, other);
        let found = self.with_context(pair, leg, &|| false, differ);
        // Without a control nobody asks about answers that are alike.
        let found = found.map(|findings| self.told(findings));
        found.or_else(|| (pair.control.is_some() && self.is_match(pair, other)).then(Findings::default))
    }

    fn example(&self, mut scene: Scene, findings: &mut Findings) -> Option<Arc<Exhibit>> {
        findings.list.iter_mut().for_each(|finding| self.parts.redactor.finding(finding));
        let differences = findings.list.clone();
        if !is_small(&scene.question, &scene.primary, scene.candidate.answer()) {
            return Some(Arc::new(shown(&self.parts, &scene, differences).into()));
        }
        let kind = kind(&scene, findings);
        let weight = weight(&scene) + differences.iter().map(Finding::weight).sum::<usize>();
        // From here on the bodies are an example's, which has bounds of its own.
        scene.primary.body.uncharge();
        if let Outcome::Answer(answer) = &mut scene.candidate {
            answer.body.uncharge();
        }
        let parts = self.parts.clone();
        let exhibit = Exhibit::later(scene.id.clone(), scene.arrived, weight, move || {
            let (id, at) = (scene.id.to_string(), scene.arrived);
            let made = catch_unwind(AssertUnwindSafe(|| shown(&parts, &scene, differences)));
            made.unwrap_or_else(|_| {
                tracing::error!(id, "redacting an example panicked; it is not shown");
                let none = ExampleMessage::default;
                let (request, primary, candidate) = (none(), none(), none());
                Example { id, at, request, primary, candidate, differences: Vec::new(), rules: BTreeMap::new() }
            })
        });
        Some(Arc::new(exhibit.of_kind(kind)))
    }

    fn succeed(&self, example: &Arc<Exhibit>) {
        // Whoever finds it taken leaves things as they are: nobody waits here.
        let Ok(mut succession) = self.parts.succession.try_lock() else { return };
        let gone = succession.add(example);
        drop(succession);
        if let Some(gone) = gone {
            gone.withdraw();
        }
    }
}

/// Bytes of bodies that are kept as they came until it is known that they will be shown. Larger ones are redacted and cut
/// at once, by a thread that is there for such work: they would take more room than what is shown of them.
const SMALL: u64 = 2 * MAX_BODY as u64;

/// Whether little has to be kept, and little has to be done, to show it later. A request's body is shared with whoever
/// still sends it.
fn is_small(question: &Question, primary: &Answer, other: Option<&Answer>) -> bool {
    let answers = || [Some(primary), other].into_iter().flatten();
    answers().map(|answer| answer.body.len()).sum::<u64>() <= SMALL
        && answers().all(|answer| !answer.headers.has(&CONTENT_ENCODING))
        && matches!(question.body, RequestBody::Empty)
}

/// One number for all exchanges whose findings are counted in the same rows; none where they may not be counted at all.
fn kind(scene: &Scene, findings: &Findings) -> Option<u64> {
    if findings.dropped > 0 || findings.budget.is_some() {
        return None;
    }
    let mut hash = Xxh3Default::new();
    let mut add = |part: &str| {
        hash.update(part.as_bytes());
        hash.update(&[0]);
    };
    add(&scene.route);
    add(scene.build.as_deref().unwrap_or_default());
    for finding in &findings.list {
        add(&finding.kind);
        add(&finding.location);
        add(&finding.primary_class);
        add(&finding.candidate_class);
        add(if finding.secondary { "secondary" } else { "" });
    }
    Some(hash.digest())
}

/// What a scene takes in memory, about.
fn weight(scene: &Scene) -> usize {
    let answer = |answer: &Answer| answer.body.len() as usize + answer.headers.weight();
    let answers = answer(&scene.primary) + scene.candidate.answer().map_or(0, answer);
    size_of::<Scene>() + scene.question.head.headers.weight() + answers
}

fn shown(parts: &Parts, scene: &Scene, differences: Vec<Finding>) -> Example {
    let redactor = &parts.redactor;
    // What is shown of streams that go on is what was compared.
    let window = diff::window(&scene.primary, &scene.candidate);
    let (primary, candidate) = match &window {
        Some((primary, candidate)) => (primary, Some(candidate)),
        None => (&*scene.primary, scene.candidate.answer()),
    };
    Example {
        id: scene.id.to_string(),
        at: scene.arrived,
        request: redactor.request(&scene.question.sent(), &scene.question.body.captured()),
        primary: redactor.answer(&diff::decoded(primary)),
        candidate: match candidate {
            Some(answer) => redactor.answer(&diff::decoded(answer)),
            None => redactor.outcome(&scene.candidate),
        },
        rules: differences.iter().filter_map(|finding| covering(&parts.rules, finding)).collect(),
        differences,
    }
}

/// The rule that covers a finding, with what it says.
fn covering(rules: &RuleSet, finding: &Finding) -> Option<(Arc<str>, Arc<str>)> {
    let Some(Cover::Rule(id)) = &finding.cover else { return None };
    Some((id.clone(), rules.meaning(id)?.clone()))
}

/// Each leg's own origin, which may stand in links.
pub fn origins(settings: &Checked) -> PerLeg<Option<String>> {
    PerLeg {
        primary: Some(settings.primary.origin()),
        candidate: Some(settings.candidate.origin()),
        control: settings.control.as_ref().map(LegSettings::origin),
    }
}

/// Between the moments at which the primary and `leg` were sent the request.
fn apart(lag: Duration, legs: &PerLeg<Option<LegRecord>>, leg: Leg) -> Duration {
    let connect = |leg| legs.get(leg).map_or(Duration::ZERO, |record| record.timing.connect);
    (lag + connect(leg)).abs_diff(connect(Leg::Primary))
}

/// Where the mirror leaves its pairs: equal ones are settled at once, the rest goes to the comparer.
#[derive(Debug)]
pub struct Judging {
    examination: ArcSwap<Examination>,
    compare: Arc<ArcSwap<CompareConfig>>,
    comparer: Comparer,
}

// === impl Judging ===

impl Judging {
    pub fn new(examination: Examination, compare: Arc<ArcSwap<CompareConfig>>, comparer: Comparer) -> Self {
        Self { examination: ArcSwap::from_pointee(examination), compare, comparer }
    }

    pub fn examination(&self) -> Arc<Examination> {
        self.examination.load_full()
    }

    /// From the next pair on these rules hold.
    pub fn replace(&self, examination: Examination) {
        let generation = examination.generation();
        self.compare.store(Arc::new(CompareConfig { generation, examine: Arc::new(examination.clone()) }));
        self.examination.store(Arc::new(examination));
    }
}

impl Judge for Judging {
    fn submit(&self, pair: Pair) {
        let examination = self.examination.load();
        let alike =
            |outcome: &Outcome| matches!(outcome, Outcome::Answer(answer) if examination.is_match(&pair, answer));
        if !alike(&pair.candidate) || !pair.control.as_ref().is_none_or(alike) {
            return self.comparer.send(pair);
        }
        let control = pair.control.as_ref().map(|_| Findings::default());
        let compared = Compared { candidate: Findings::default(), control, example: None };
        let Pair { ticket, build, legs, .. } = pair;
        ticket.settle_as(Settlement::Compared(compared), examination.generation(), build, legs);
    }

    fn generation(&self) -> u64 {
        self.examination.load().generation()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::{BodyCapture, Inbox};
    use crate::model::{BodyEnd, Captured, Limit, RequestHead, StatusClass, Timing};
    use bytes::Bytes;
    use http::header::CONTENT_TYPE;
    use http::{HeaderValue, Method, StatusCode, Version};

    fn examination() -> Examination {
        redacting(&[])
    }

    fn redacting(json: &[&str]) -> Examination {
        let flags = crate::config::Flags {
            primary: Some("http://127.0.0.1:1".into()),
            candidate: Some("http://127.0.0.1:2".into()),
            ..Default::default()
        };
        let mut settings = crate::config::load(None, &flags).unwrap();
        settings.redact.json = json.iter().map(|path| (*path).to_owned()).collect();
        Examination::new(&settings, RuleSet::compile(&[]).unwrap(), 1, [7; 32], Timestamp::from_micros(1)).unwrap()
    }

    fn answer(body: &'static str) -> Answer {
        Answer {
            status: StatusCode::OK,
            reason: Default::default(),
            headers: http::HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/json"))]).into(),
            body: Captured::whole(vec![Bytes::from_static(body.as_bytes())]),
            trailers: None,
            end: BodyEnd::Complete,
        }
    }

    fn question(body: RequestBody) -> Arc<Question> {
        let head = RequestHead {
            method: Method::GET,
            uri: "/a".parse().unwrap(),
            host: None,
            scheme: "http",
            headers: Default::default(),
        };
        Arc::new(Question { head, added: None, version: Version::HTTP_11, body, max_body: 1 << 20 })
    }

    fn pair_of(primary: &'static str, candidate: &'static str) -> Pair {
        pair_at(Timestamp::from_micros(1), primary, candidate)
    }

    fn pair_at(arrived: Timestamp, primary: &'static str, candidate: &'static str) -> Pair {
        Pair {
            ticket: Inbox::new(1).mirrored("x".into(), "GET /a".into(), arrived),
            question: question(RequestBody::Empty),
            build: None,
            legs: PerLeg::default(),
            lag: Duration::ZERO,
            primary: Box::new(answer(primary)),
            candidate: Outcome::from(answer(candidate)),
            control: None,
            permit: Limit::new(1).take(1).unwrap(),
        }
    }

    #[test]
    fn a_line_of_a_body_shows_nothing_that_is_hidden_in_the_whole_of_it() {
        let pair = pair_of("{\"password\" :\n \"hunter2\",\"v\":1", "{\"password\" :\n \"hunter2\",\"v\":2");
        let told = |examination: Examination| {
            let found = examination.compare(&pair, Leg::Candidate, &pair.candidate, &|| false);
            assert!(found.list.iter().any(|finding| &*finding.kind == "text.hunk"));
            format!("{:?}", found.list)
        };
        assert!(told(examination()).contains("hunter2"));
        assert!(!told(redacting(&["json:$.password"])).contains("hunter2"));
    }

    #[test]
    fn a_rule_that_is_over_is_of_the_generation_before() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("rules.toml");
        let rule = "[[rule]]\nid = \"a\"\nat = \"json:$.a\"\nignore = true\nexpires = \"2026-01-01\"\n";
        let legs = "[primary]\nurl = \"http://127.0.0.1:1\"\n[candidate]\nurl = \"http://127.0.0.1:2\"\n";
        std::fs::write(&file, format!("{legs}{rule}")).unwrap();
        let settings = crate::config::load(Some(&file), &Default::default()).unwrap();
        let midnight = Timestamp::from_micros(1_767_225_600_000_000);
        let before = Timestamp::from_micros(midnight.as_micros() - 1);
        let rules = super::super::live::rules(&settings).unwrap();
        let first = Examination::new(&settings, rules, 4, [7; 32], before).unwrap();
        assert!(first.turned(&before.day()).is_none());
        let second = first.turned(&midnight.day()).unwrap();
        assert!(
            second.turned(&(midnight + Duration::from_secs(86_400)).day()).is_none(),
            "nothing is over on that day"
        );
        assert_eq!((first.evidence_rules().generation, second.evidence_rules().generation), (4, 5));
        assert_ne!(first.evidence_rules().digest, second.evidence_rules().digest);
        // Whenever it arrived: what a generation has compared was compared under its rules.
        for arrived in [before, midnight] {
            let pair = pair_at(arrived, "{\"a\":1}", "{\"a\":2}");
            let covered = |examination: &Examination| {
                let found = examination.compare(&pair, Leg::Candidate, &pair.candidate, &|| false);
                found.list.iter().all(|finding| finding.cover.is_some())
            };
            assert_eq!((covered(&first), covered(&second)), (true, false), "{arrived}");
        }
    }

    #[test]
    fn what_takes_long_to_show_is_not_compared_at_once() {
        let examination = examination();
        let pair = |body: RequestBody, control: Option<&'static str>| Pair {
            question: question(body),
            control: control.map(|body| Outcome::from(answer(body))),
            ..pair_of("{\"a\":1}", "{\"a\":2}")
        };
        let found = |pair: &Pair, leg| {
            if !examination.is_brief(pair) {
                return None;
            }
            let other = if leg == Leg::Control { pair.control.as_ref().unwrap() } else { &pair.candidate };
            examination.at_once(pair, leg, other).map(|found| found.list.len())
        };
        assert_eq!(found(&pair(RequestBody::Empty, None), Leg::Candidate), Some(1));
        let controlled = pair(RequestBody::Empty, Some("{\"a\":1}"));
        assert_eq!((found(&controlled, Leg::Candidate), found(&controlled, Leg::Control)), (Some(1), Some(0)));
        // The body of the request is redacted with the example.
        let posted = RequestBody::Shared(BodyCapture::new(1 << 20, Some(3), Limit::new(1 << 20)));
        assert_eq!(found(&pair(posted, None), Leg::Candidate), None);
    }

    #[test]
    fn examples_of_one_kind_are_counted_in_the_same_rows() {
        let examination = examination();
        let kind = |route: &str, build: Option<&str>, primary, candidate, dropped| {
            let scene = Scene {
                id: "x".into(),
                route: route.into(),
                build: build.map(Arc::from),
                arrived: Timestamp::from_micros(1),
                question: question(RequestBody::Empty),
                primary: Box::new(answer(primary)),
                candidate: Outcome::from(answer(candidate)),
            };
            let head = &scene.question.head;
            let context = Context {
                request: head,
                rules: &RouteRules::none(),
                origins: &PerLeg::default(),
                other: Leg::Candidate,
                arrived: Some(scene.arrived),
                skew: Duration::ZERO,
                skip_headers: &[],
                limits: Limits::default(),
                expired: &|| false,
            };
            let mut found = diff::compare(&context, &scene.primary, &scene.candidate);
            found.dropped = dropped;
            examination.example(scene, &mut found).unwrap().kind()
        };
        let (a, b) = ("{\"a\":1,\"b\":1}", "{\"a\":2,\"b\":1}");
        let one = kind("GET /a", None, a, b, 0);
        assert!(one.is_some());
        assert_eq!(kind("GET /a", None, "{\"a\":5,\"b\":7}", "{\"a\":6,\"b\":7}", 0), one);
        for other in [
            kind("GET /b", None, a, b, 0),
            kind("GET /a", Some("2"), a, b, 0),
            kind("GET /a", None, a, "{\"a\":1,\"b\":2}", 0),
            kind("GET /a", None, a, "{\"a\":2,\"b\":2}", 0),
            kind("GET /a", None, a, "{\"a\":\"1\",\"b\":1}", 0),
        ] {
            assert_ne!(other, one);
        }
    }

    #[test]
    fn connecting_late_is_being_asked_late() {
        let seconds = Duration::from_secs;
        let leg = |connect| {
            let timing = Timing { connect: seconds(connect), ..Timing::default() };
            Some(LegRecord { class: StatusClass::Success, timing })
        };
        for (lag, primary, candidate, expected) in
            [(0, 0, 0, 0), (5, 0, 0, 5), (0, 0, 2, 2), (0, 3, 0, 3), (1, 3, 2, 0)]
        {
            let legs = PerLeg { primary: leg(primary), candidate: leg(candidate), control: None };
            assert_eq!(apart(seconds(lag), &legs, Leg::Candidate), seconds(expected));
        }
    }
}
