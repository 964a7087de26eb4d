//! Who is let through to the mirror, and what becomes of those that are not sent after all.

use super::*;
use crate::evidence::Settlement;
use crate::flow::{Event, Passing, PrimaryHead, PrimaryOutcome};
use crate::model::{
    Answer, BodyEnd, Captured, Failure, FailureKind, Fields, Incomparable, LegRecord, Reason, StatusClass, Timestamp,
    Timing,
};
use http::header::SERVER;
use http::{Method, StatusCode};
use std::future::poll_fn;
use std::net::{IpAddr, SocketAddr};
use std::task::Poll;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

struct Stage {
    inbox: Arc<Inbox>,
    plan: Arc<Plan>,
}

impl Stage {
    fn new(candidate: SocketAddr, default: MirrorSettings, routes: Vec<MirrorSettings>) -> Self {
        let inbox = Inbox::new(1);
        let leg = testing::candidate(candidate);
        let legs = Legs::new(leg.clone(), leg, SERVER, None, Limit::new(1 << 20), None);
        let mirrors = Mirrors::new(Arc::new(testing::NoJudge), inbox.clone(), true);
        Self { inbox, plan: Arc::new(Plan::new(mirrors, default, routes, legs)) }
    }

    fn decide(&self, due: Instant, configured: Option<usize>) -> Result<Admission, Bucket> {
        self.plan.decide(&Asked {
            due,
            method: &Method::GET,
            headers: &Fields::default(),
            client: IpAddr::from([127, 0, 0, 1]),
            configured,
            upgrade: false,
        })
    }

    /// An exchange run to its end beside a primary that did this, or whose client went away.
    async fn run(&self, admission: Admission, primary: Option<PrimaryOutcome>) {
        let (sender, receiver) = oneshot::channel();
        match primary {
            Some(primary) => sender.send(primary).unwrap(),
            None => drop(sender),
        }
        let exchange = Exchange {
            ticket: self.inbox.mirrored("x".into(), "GET /".into(), Timestamp::from_micros(1)),
            admission,
            due: Instant::now(),
            question: Arc::new(testing::question()),
            naming: None,
            primary_head: Arc::new(PrimaryHead::new(&Passing::default())),
            primary: receiver,
        };
        exchange::run(self.plan.clone(), Box::new(exchange)).await;
    }

    /// Why what was run was not compared, and what is known of the primary.
    fn settled(&self) -> Vec<(Incomparable, Option<StatusClass>)> {
        let settled = self.inbox.drain().into_iter().filter_map(|event| match event {
            Event::Settled { settled, .. } => Some(settled),
            _ => None,
        });
        settled
            .map(|settled| match settled.result {
                Settlement::Incomparable(reason) => (reason, settled.legs.primary.map(|record| record.class)),
                other => panic!("{other:?}"),
            })
            .collect()
    }
}

fn after_primary() -> MirrorSettings {
    MirrorSettings { start: Start::AfterPrimary, ..testing::settings(Duration::from_millis(50)) }
}

fn answered(end: BodyEnd) -> PrimaryOutcome {
    let class = if end == BodyEnd::Complete { StatusClass::Success } else { StatusClass::Failed };
    let answer = Box::new(Answer {
        status: StatusCode::OK,
        reason: Reason::Absent,
        headers: Fields::default(),
        body: Captured::empty(),
        trailers: None,
        end,
    });
    PrimaryOutcome::Answered { answer, record: LegRecord { class, timing: Timing::default() } }
}

#[tokio::test]
async fn after_a_primary_that_did_not_answer_nobody_is_asked() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let stage = Stage::new(listener.local_addr().unwrap(), after_primary(), vec![]);
    let record = LegRecord { class: StatusClass::Failed, timing: Timing::default() };
    let broke = Failure { kind: FailureKind::Reset, detail: String::new() };
    let failed = (Incomparable::PrimaryFailed, Some(StatusClass::Failed));
    for (primary, expected) in [
        (Some(PrimaryOutcome::Failed { record }), failed),
        (Some(answered(BodyEnd::Broken(broke))), failed),
        (Some(PrimaryOutcome::ClientAborted), (Incomparable::ClientAborted, None)),
        (None, (Incomparable::ClientAborted, None)),
    ] {
        stage.run(stage.decide(Instant::now(), None).unwrap(), primary).await;
        assert_eq!(stage.settled(), [expected]);
    }
    let asked = poll_fn(|cx| Poll::Ready(listener.poll_accept(cx).is_ready())).await;
    assert!(!asked);
    stage.run(stage.decide(Instant::now(), None).unwrap(), Some(answered(BodyEnd::Complete))).await;
    listener.accept().await.unwrap();
}

#[tokio::test]
async fn a_probe_whose_client_goes_away_leaves_it_to_the_next() {
    let stage = Stage::new(([127, 0, 0, 1], 9).into(), after_primary(), vec![]);
    stage.plan.legs.breaker(Leg::Candidate).gave_offence(Instant::now());
    assert_eq!(stage.decide(Instant::now(), None).unwrap_err(), Bucket::BreakerOpen);
    // When the first pause is over.
    let probe = stage.decide(Instant::now() + Duration::from_secs(1), None).unwrap();
    assert_eq!(stage.decide(Instant::now() + Duration::from_secs(2), None).unwrap_err(), Bucket::BreakerOpen);
    stage.run(probe, None).await;
    let next = stage.decide(Instant::now(), None).unwrap();
    assert!(next.probe);
}

#[tokio::test]
async fn one_rate_holds_for_all_routes_and_one_of_a_route_within_it() {
    let rate = |max_rate| MirrorSettings { max_rate, ..testing::settings(Duration::from_secs(1)) };
    let stage = |default, routes: &[u32]| {
        Stage::new(([127, 0, 0, 1], 9).into(), rate(default), routes.iter().map(|max| rate(*max)).collect())
    };
    // How many of each route get through in a second in which there are a hundred of each.
    let passed = |stage: &Stage, routes: usize| {
        let mut passed = vec![0; routes];
        let start = Instant::now();
        for (at, route) in (0..100).flat_map(|at| (0..routes).map(move |route| (at, route))) {
            passed[route] += u32::from(stage.decide(start + Duration::from_millis(at * 10), Some(route)).is_ok());
        }
        passed
    };
    let alike = passed(&stage(10, &[10; 6]), 6);
    assert!((10..=12).contains(&alike.iter().sum::<u32>()), "{alike:?}");
    let unlike = passed(&stage(50, &[5, 0, 100]), 3);
    assert!((50..=56).contains(&unlike.iter().sum::<u32>()) && (1..=6).contains(&unlike[0]), "{unlike:?}");
    let own = passed(&stage(0, &[5, 0]), 2);
    assert!((5..=6).contains(&own[0]) && own[1] == 100, "{own:?}");
}
