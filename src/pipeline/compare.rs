//! Comparison workers: plain threads, because diffing large bodies is processor work and traffic should not feel it.
//!
//! What takes some microseconds is compared by whoever has the pair: another processor would have to fetch it
//! first, which takes longer. Several are compared in a row: see `batch`.
//!
//! Neither queue nor batches have a bound of their own: every pair there holds a permit, so there are never more than
//! those.

use super::batch::{Added, Batches, TICK, Ticked};
use super::queue::Queue;
use crate::diff::{Finding, Findings};
use crate::evidence::{Compared, Exhibit, Settlement};
use crate::flow::{Pair, Question};
use crate::model::{Answer, Incomparable, Latencies, Leg, Outcome, Timestamp};
use arc_swap::ArcSwap;
use std::cell::Cell;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use tokio::runtime::Handle;

/// Of the processor, for one comparison of two answers; beyond it the exchange is incomparable (`budget`).
const TIME_BUDGET: Duration = Duration::from_millis(100);

/// How long comparing keeps a processor while others may want it.
const TURN: Duration = Duration::from_micros(100);

/// What the workers need of `diff` and `redact`; the application joins them.
pub trait Examine: Send + Sync {
    /// What differs between the primary's answer and `other`, that of `leg`. To give up once `expired` says so.
    fn compare(&self, pair: &Pair, leg: Leg, other: &Outcome, expired: &dyn Fn() -> bool) -> Findings;

    /// Whether the pair is small enough for `at_once` to be asked, and an example of it made later.
    fn is_brief(&self, pair: &Pair) -> bool;

    /// What `compare` finds of a brief pair, where that takes less than handing it over; `None` of all others.
    fn at_once(&self, pair: &Pair, leg: Leg, other: &Outcome) -> Option<Findings>;

    /// The exchange for showing, redacted: findings included. `findings` are redacted too where they are kept.
    fn example(&self, scene: Scene, findings: &mut Findings) -> Option<Arc<Exhibit>>;

    /// An example is on its way to be counted: one from before may be withdrawn, where this one takes its place.
    fn succeed(&self, example: &Arc<Exhibit>);
}

/// What of a compared pair can be shown.
#[derive(Debug)]
pub struct Scene {
    pub id: Arc<str>,
    pub route: Arc<str>,
    /// The candidate's, as its answer named it.
    pub build: Option<Arc<str>>,
    pub arrived: Timestamp,
    pub question: Arc<Question>,
    pub primary: Box<Answer>,
    pub candidate: Outcome,
}

/// The rules in force; swapped as a whole when the configuration changes.
#[derive(Clone)]
pub struct CompareConfig {
    /// Grows with every change of rules; what is compared under them carries it.
    pub generation: u64,
    pub examine: Arc<dyn Examine>,
}

impl std::fmt::Debug for CompareConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CompareConfig").field("generation", &self.generation).finish_non_exhaustive()
    }
}

/// Numbers for metrics.
#[derive(Debug, Default)]
pub struct CompareStats {
    panics: AtomicU64,
    /// Time per pair, its waiting not included.
    pub seconds: Latencies,
}

impl CompareStats {
    /// Comparisons that panicked and were settled as incomparable.
    pub fn panics(&self) -> u64 {
        self.panics.load(Ordering::Relaxed)
    }
}

/// Where pairs are left. The workers end when the last clone is dropped and the queue is empty.
#[derive(Debug, Clone)]
pub struct Comparer {
    open: Arc<Open>,
    config: Arc<ArcSwap<CompareConfig>>,
    stats: Arc<CompareStats>,
}

/// Queue and batches as those have them who put pairs in: closed when none is left of them.
#[derive(Debug)]
struct Open {
    queue: Arc<Queue<Box<Pair>>>,
    batches: Batches<Box<Pair>>,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.batches.drain().into_iter().for_each(|pair| self.queue.push(pair, true));
        self.queue.close();
    }
}

// === impl Comparer ===

impl Comparer {
    /// Starts `workers` threads (at least one) beside the `serving` ones that send pairs.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(workers: usize, serving: usize, config: Arc<ArcSwap<CompareConfig>>) -> io::Result<Self> {
        let workers = workers.max(1);
        let (queue, stats) = (Arc::new(Queue::new(workers)), Arc::new(CompareStats::default()));
        let open = Arc::new(Open { queue: queue.clone(), batches: Batches::new(serving) });
        for i in 0..workers {
            let (queue, config, stats) = (queue.clone(), config.clone(), stats.clone());
            let name = format!("compare-{i}");
            thread::Builder::new().name(name).spawn(move || work(&queue, &config, &stats))?;
        }
        Ok(Self { open, config, stats })
    }

    /// Leaves a pair to be compared: a brief one soon by this very thread, where it has a runtime, any other by the
    /// workers; never waits. Where few more may be under way it is not left to wait either.
    pub fn send(&self, pair: Pair) {
        let bodies = [Some(&*pair.primary), pair.candidate.answer(), pair.control.as_ref().and_then(Outcome::answer)];
        let scarce = pair.permit.is_scarce() || bodies.into_iter().flatten().any(|answer| answer.body.is_scarce());
        let brief = self.config.load().examine.is_brief(&pair);
        let Some(runtime) = Handle::try_current().ok().filter(|_| brief) else {
            return self.open.queue.push(Box::new(pair), scarce);
        };
        // It changes hands some times until it is settled.
        match self.open.batches.add(Box::new(pair), scarce) {
            Added::Wait => {}
            Added::Tick(batch) => drop(runtime.spawn(self.clone().tick(batch))),
            Added::Do(pairs) => drop(runtime.spawn(self.clone().compare(pairs))),
        }
    }

    /// Compares what stays in a batch, until nothing comes any more.
    async fn tick(self, batch: usize) {
        loop {
            tokio::time::sleep(TICK).await;
            match self.open.batches.tick(batch) {
                Ticked::Do(pairs) => self.clone().compare(pairs).await,
                Ticked::End => return,
            }
        }
    }

    /// Settles each pair that can be compared at once, and leaves the others to the workers. Others have their turn in
    /// between.
    #[expect(clippy::vec_box, reason = "they have their boxes, and leave the row one by one")]
    async fn compare(self, pairs: Vec<Box<Pair>>) {
        let mut start = Instant::now();
        let mut turn = start;
        for pair in pairs {
            let config = self.config.load_full();
            let compared = catch_unwind(AssertUnwindSafe(|| at_once(&pair, &*config.examine)));
            let Some(compared) = compared.transpose() else {
                self.open.queue.push(pair, false);
                continue;
            };
            finish(pair, compared, &config, &self.stats);
            let end = Instant::now();
            self.stats.seconds.record(end - start);
            start = end;
            if end - turn >= TURN {
                tokio::task::yield_now().await;
                (start, turn) = (Instant::now(), Instant::now());
            }
        }
    }

    /// Pairs waiting to be compared.
    pub fn queued(&self) -> usize {
        self.open.queue.len() + self.open.batches.len()
    }

    pub fn stats(&self) -> &Arc<CompareStats> {
        &self.stats
    }
}

/// How much later comparing gets the processor than serving, as a nice value.
#[cfg(target_os = "linux")]
const NICE: i32 = 5;

/// Users come first where processors are short: comparing falls behind, and mirroring sheds. Linux knows priorities of
/// single threads.
#[cfg(target_os = "linux")]
fn give_way() {
    // One that the whole process has already, or is not allowed to have, stays.
    if let Err(error) = rustix::process::setpriority_process(None, NICE) {
        tracing::debug!(%error, "comparing gets the processor as serving does");
    }
}

#[cfg(not(target_os = "linux"))]
fn give_way() {}

fn work(queue: &Queue<Box<Pair>>, config: &ArcSwap<CompareConfig>, stats: &CompareStats) {
    give_way();
    let turn = Turn::begin();
    while let Some(pair) = queue.pop() {
        let start = Instant::now();
        settle(pair, &config.load_full(), stats, &turn);
        stats.seconds.record(start.elapsed());
        turn.end_if_over();
    }
}

/// The time since a worker has let others have its processor, should they want it.
#[derive(Debug)]
struct Turn(Cell<Instant>);

impl Turn {
    fn begin() -> Self {
        Self(Cell::new(Instant::now()))
    }

    /// What is ready to serve by now does not wait for the end of the share of time that the system gives us.
    fn end_if_over(&self) {
        if self.0.get().elapsed() >= TURN {
            thread::yield_now();
            self.0.set(Instant::now());
        }
    }
}

/// Compares one pair and settles its ticket, whatever happens on the way.
fn settle(pair: Box<Pair>, config: &CompareConfig, stats: &CompareStats, turn: &Turn) {
    let compared = catch_unwind(AssertUnwindSafe(|| compare(&pair, &*config.examine, turn)));
    finish(pair, compared, config, stats);
}

/// Settles the ticket of a pair with what comparing came to.
fn finish(pair: Box<Pair>, compared: thread::Result<Compared>, config: &CompareConfig, stats: &CompareStats) {
    let Pair { ticket, build, legs, question, primary, candidate, .. } = *pair;
    let (id, route, arrived) = (ticket.id().clone(), ticket.route().clone(), ticket.arrived());
    let scene = Scene { id, route, build: build.clone(), arrived, question, primary, candidate };
    let shown =
        compared.and_then(|compared| catch_unwind(AssertUnwindSafe(|| show(scene, compared, &*config.examine))));
    let result = match shown {
        Ok(compared) if compared.candidate.budget.is_some() => Settlement::Incomparable(Incomparable::Budget),
        Ok(compared) => Settlement::Compared(compared),
        Err(_) => {
            stats.panics.fetch_add(1, Ordering::Relaxed);
            let (route, id) = (ticket.route(), ticket.id());
            tracing::error!(%route, %id, "comparing panicked; the exchange is incomparable");
            Settlement::Incomparable(Incomparable::Budget)
        }
    };
    let example = match &result {
        Settlement::Compared(compared) => compared.example.clone(),
        Settlement::Incomparable(_) => None,
    };
    let shown = ticket.settle_as(result, config.generation, build, legs);
    if let Some(example) = example.filter(|_| shown) {
        config.examine.succeed(&example);
    }
}

/// The processor time this thread has had, so that a busy machine changes no verdict.
#[cfg(unix)]
fn busy() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.try_into().unwrap_or(0), time.tv_nsec.try_into().unwrap_or(0))
}

#[cfg(not(unix))]
fn busy() -> Duration {
    static START: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    START.get_or_init(Instant::now).elapsed()
}

fn at_once(pair: &Pair, examine: &dyn Examine) -> Option<Compared> {
    let candidate = examine.at_once(pair, Leg::Candidate, &pair.candidate)?;
    let control = match &pair.control {
        Some(other) => Some(examine.at_once(pair, Leg::Control, other)?),
        None => None,
    };
    Some(compared(candidate, control))
}

fn compare(pair: &Pair, examine: &dyn Examine, turn: &Turn) -> Compared {
    let timed = |leg, other: &Outcome| {
        // From the first time that somebody asks: most are done before, and asking the system takes time itself.
        let start = Cell::new(None);
        let expired = || match start.get() {
            None => {
                start.set(Some(busy()));
                false
            }
            Some(start) => {
                turn.end_if_over();
                busy().saturating_sub(start) > TIME_BUDGET
            }
        };
        examine.compare(pair, leg, other, &expired)
    };
    let candidate = timed(Leg::Candidate, &pair.candidate);
    let control = pair.control.as_ref().map(|other| timed(Leg::Control, other));
    compared(candidate, control)
}

fn compared(candidate: Findings, mut control: Option<Findings>) -> Compared {
    control.iter_mut().flat_map(|found| &mut found.list).for_each(Finding::shorten);
    Compared { candidate, control, example: None }
}

/// Adds the example where something differs.
fn show(scene: Scene, mut compared: Compared, examine: &dyn Examine) -> Compared {
    if !compared.candidate.list.is_empty() {
        compared.example = examine.example(scene, &mut compared.candidate);
    }
    compared
}

#[cfg(test)]
mod tests {
    use super::super::batch::BATCH;
    use super::*;
    use crate::diff::Tier;
    use crate::evidence::Diverged;
    use crate::evidence::testing::{at, example, finding, findings};
    use crate::flow::{Event, Inbox, RequestBody};
    use crate::model::{BodyEnd, Captured, Limit, PerLeg, RequestHead};
    use std::sync::Mutex;

    /// The ids of examples that take the place of others.
    #[derive(Default)]
    struct Fake(Mutex<Vec<String>>);

    impl Examine for Fake {
        fn compare(&self, pair: &Pair, _: Leg, _: &Outcome, _: &dyn Fn() -> bool) -> Findings {
            match &**pair.ticket.id() {
                "panic" => panic!("on purpose"),
                #[cfg(target_os = "linux")]
                "nice" if rustix::process::getpriority_process(None).unwrap() < NICE => panic!("before users"),
                "budget" => Findings { budget: Some("time".into()), ..Default::default() },
                "differs" => findings(vec![finding("json.value", "json:$.a", Tier::Value)]),
                _ => Findings::default(),
            }
        }

        fn is_brief(&self, pair: &Pair) -> bool {
            pair.ticket.id().contains("at once")
        }

        fn at_once(&self, pair: &Pair, _: Leg, _: &Outcome) -> Option<Findings> {
            match &**pair.ticket.id() {
                "at once" => Some(findings(vec![finding("json.value", "json:$.a", Tier::Value)])),
                "panic at once" => panic!("on purpose"),
                _ => None,
            }
        }

        fn example(&self, scene: Scene, _: &mut Findings) -> Option<Arc<Exhibit>> {
            Some(Arc::new(example(&scene.id, 1).into()))
        }

        fn succeed(&self, example: &Arc<Exhibit>) {
            self.0.lock().unwrap().push(example.id().to_owned());
        }
    }

    fn pair(inbox: &Arc<Inbox>, limit: &Arc<Limit>, id: &str) -> Pair {
        let answer = Answer {
            status: http::StatusCode::OK,
            reason: Default::default(),
            headers: Default::default(),
            body: Captured::empty(),
            trailers: None,
            end: BodyEnd::Complete,
        };
        Pair {
            ticket: inbox.mirrored(id.into(), "GET /a".into(), at(1)),
            question: Arc::new(Question {
                head: RequestHead {
                    method: http::Method::GET,
                    uri: "/a".parse().unwrap(),
                    host: None,
                    scheme: "http",
                    headers: Default::default(),
                },
                added: None,
                version: http::Version::HTTP_11,
                body: RequestBody::Empty,
                max_body: 1 << 20,
            }),
            build: None,
            legs: PerLeg::default(),
            lag: Duration::ZERO,
            primary: Box::new(answer.clone()),
            candidate: Outcome::from(answer),
            control: None,
            permit: limit.take(1).unwrap(),
        }
    }

    #[test]
    fn every_pair_is_settled_even_when_comparing_panics() {
        let (inbox, limit) = (Inbox::new(1), Limit::new(10));
        let config = CompareConfig { generation: 7, examine: Arc::<Fake>::default() };
        let stats = CompareStats::default();
        let mut seen = Vec::new();
        for id in ["equal", "differs", "budget", "panic"] {
            settle(Box::new(pair(&inbox, &limit, id)), &config, &stats, &Turn::begin());
            for event in inbox.drain() {
                if let Event::Settled { settled, .. } = event {
                    assert_eq!(settled.generation, 7);
                    seen.push(match settled.result {
                        Settlement::Incomparable(reason) => reason.as_str().to_owned(),
                        Settlement::Compared(c) => format!("{} {}", c.candidate.list.len(), c.example.is_some()),
                    });
                }
            }
        }
        assert_eq!(seen, ["0 false", "1 true", "budget", "budget"]);
        assert_eq!((stats.panics(), limit.used()), (1, 0));
    }

    #[tokio::test]
    async fn what_is_compared_at_once_waits_for_no_worker() {
        let (inbox, limit) = (Inbox::new(1), Limit::new(10));
        let config = CompareConfig { generation: 7, examine: Arc::<Fake>::default() };
        let comparer = Comparer::start(1, 1, Arc::new(ArcSwap::from_pointee(config))).unwrap();
        for (id, expect) in [("at once", "1 true"), ("panic at once", "budget")] {
            comparer.send(pair(&inbox, &limit, id));
            let settled = loop {
                let settled = inbox.drain().into_iter().find_map(|event| match event {
                    Event::Settled { settled, .. } => Some(settled.result),
                    _ => None,
                });
                match settled {
                    Some(settled) => break settled,
                    None => tokio::task::yield_now().await,
                }
            };
            let seen = match settled {
                Settlement::Incomparable(reason) => reason.as_str().to_owned(),
                Settlement::Compared(c) => format!("{} {}", c.candidate.list.len(), c.example.is_some()),
            };
            assert_eq!(seen, expect, "{id}");
        }
        assert_eq!((comparer.queued(), comparer.stats().panics(), limit.used()), (0, 1, 0));
    }

    #[tokio::test]
    async fn brief_pairs_are_compared_in_a_row_by_who_has_them() {
        let (inbox, limit) = (Inbox::new(1), Limit::new(100));
        let config = CompareConfig { generation: 1, examine: Arc::<Fake>::default() };
        let comparer = Comparer::start(1, 1, Arc::new(ArcSwap::from_pointee(config))).unwrap();
        let settled = || inbox.drain().iter().filter(|e| matches!(e, Event::Settled { .. })).count();
        let send = || comparer.send(pair(&inbox, &limit, "at once"));
        for (before, also) in [(0, None), (BATCH - 1, None), (0, Some(limit.take(60).unwrap()))] {
            (0..=before).for_each(|_| send());
            assert_eq!(settled(), 0, "not by who sends them");
            if before + 1 == BATCH || also.is_some() {
                assert_eq!(
                    comparer.queued(),
                    0,
                    "a full batch and one for which there is little room wait for nothing"
                );
            }
            let mut seen = 0;
            while seen <= before {
                tokio::task::yield_now().await;
                seen += settled();
            }
            assert_eq!(seen, before + 1);
        }
    }

    #[test]
    fn what_waits_at_the_end_goes_to_the_workers() {
        let (inbox, limit) = (Inbox::new(1), Limit::new(100));
        let config = CompareConfig { generation: 1, examine: Arc::<Fake>::default() };
        let comparer = Comparer::start(1, 1, Arc::new(ArcSwap::from_pointee(config))).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async { comparer.send(pair(&inbox, &limit, "at once")) });
        assert_eq!(comparer.queued(), 1);
        drop((runtime, comparer));
        let deadline = Instant::now() + Duration::from_secs(20);
        while limit.used() > 0 && Instant::now() < deadline {
            std::thread::yield_now();
        }
        assert_eq!(inbox.drain().iter().filter(|e| matches!(e, Event::Settled { .. })).count(), 1);
    }

    #[test]
    fn only_an_example_that_is_counted_takes_the_place_of_another() {
        let (inbox, limit, fake) = (Inbox::new(1), Limit::new(10), Arc::<Fake>::default());
        let config = CompareConfig { generation: 7, examine: fake.clone() };
        let send = |pair| settle(Box::new(pair), &config, &CompareStats::default(), &Turn::begin());
        send(pair(&inbox, &limit, "equal"));
        send(pair(&inbox, &limit, "differs"));
        let diverged = Diverged { epoch: 1, route: "GET /a".into(), since: at(1), rows: vec![] };
        let again = inbox.asked_again("differs".into(), at(1), diverged);
        send(Pair { ticket: again, ..pair(&inbox, &limit, "differs") });
        let late = pair(&inbox, &limit, "differs");
        inbox.close();
        send(late);
        assert_eq!(*fake.0.lock().unwrap(), ["differs"]);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn comparing_gives_way_to_serving() {
        let (inbox, limit) = (Inbox::new(1), Limit::new(10));
        let config = CompareConfig { generation: 1, examine: Arc::<Fake>::default() };
        let comparer = Comparer::start(1, 1, Arc::new(ArcSwap::from_pointee(config))).unwrap();
        comparer.send(pair(&inbox, &limit, "nice"));
        let deadline = Instant::now() + Duration::from_secs(20);
        while !inbox.drain().iter().any(|e| matches!(e, Event::Settled { .. })) && Instant::now() < deadline {
            std::thread::yield_now();
        }
        assert_eq!(comparer.stats().panics(), 0);
    }

    #[test]
    fn workers_take_what_is_sent_and_live_on_after_a_panic() {
        let (inbox, limit) = (Inbox::new(1), Limit::new(100));
        let config = CompareConfig { generation: 1, examine: Arc::<Fake>::default() };
        let comparer = Comparer::start(1, 1, Arc::new(ArcSwap::from_pointee(config))).unwrap();
        for id in ["panic", "equal", "differs"] {
            comparer.send(pair(&inbox, &limit, id));
        }
        let mut settled = 0;
        let deadline = Instant::now() + Duration::from_secs(20);
        while settled < 3 && Instant::now() < deadline {
            settled += inbox.drain().iter().filter(|e| matches!(e, Event::Settled { .. })).count();
            std::thread::yield_now();
        }
        assert_eq!((settled, comparer.stats().panics(), comparer.queued()), (3, 1, 0));
    }
}
